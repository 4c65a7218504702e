// bench_gap PORT: a service that answers its first connection when the peer has written a byte, with one line of JSON:
// the longest time, in microseconds, that passed between two returns of a tight loop of calls from the connection on;
// how many calls there were; and whether listen on its own port, which the built-in set allows, is refused by then.
#include <sys/syscall.h>

#include <algorithm>
#include <chrono>

#include "net.h"

namespace {

double us_since(std::chrono::steady_clock::time_point then) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - then).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const sockaddr_in address = test_address(std::string("127.0.0.1:") + argv[1]);
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return 1;
  if (::listen(listener, 8) != 0) return 1;
  const int asker = ::accept(listener, nullptr, nullptr);
  double longest = 0;
  unsigned long calls = 0;
  char byte = 0;
  auto last = std::chrono::steady_clock::now();
  while (::recv(asker, &byte, 1, MSG_DONTWAIT) < 0) {
    for (int i = 0; i < 1000; ++i) {
      ::syscall(SYS_getppid);
      longest = std::max(longest, us_since(last));
      last = std::chrono::steady_clock::now();
    }
    calls += 1000;
  }
  const bool refused = ::listen(listener, 8) != 0;
  ::dprintf(asker, "{\"longest_us\":%.1f,\"calls\":%lu,\"refused\":%s}\n", longest, calls, refused ? "true" : "false");
}
