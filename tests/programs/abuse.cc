// abuse: what a front door is put through by many, or by one that is a nuisance.
//   abuse hold ADDRESS:PORT COUNT      connections that stay, silent; "standing" is printed
//   abuse stall ADDRESS:PORT COUNT     the same, that ask for everything and take nothing
//   abuse trickle ADDRESS:PORT COUNT   headers that never end, a byte of each every half second, until all are ended
//   abuse scan ADDRESS:PORT COUNT      connections that are closed as soon as they stand
//   abuse reset ADDRESS:PORT COUNT     … that are reset; after each 1,000 one more, of which an echo is awaited
//   abuse bytes ADDRESS:PORT COUNT     one connection, COUNT writes of a byte each, which are to come back
// Exit status 0: it was done to the end.
#include <fcntl.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "net.h"

namespace {

constexpr int kThreads = 8;

void end_by_reset(int fd) {
  const linger now{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

std::vector<int> open_all(const sockaddr_in& address, int count) {
  std::vector<int> all;
  for (int i = 0; i < count; ++i) {
    all.push_back(connect_to(address));
    if (all.back() >= 0) continue;
    std::perror("connect");
    std::exit(1);
  }
  std::puts("standing");
  std::fflush(stdout);
  return all;
}

int hold(const sockaddr_in& address, int count, const std::string& words) {
  const std::vector<int> all = open_all(address, count);
  for (const int fd : all) send_all(fd, words);
  ::pause();  // until it is ended
  return 0;
}

int trickle(const sockaddr_in& address, int count) {
  std::vector<int> all = open_all(address, count);
  for (const int fd : all) ::fcntl(fd, F_SETFL, O_NONBLOCK);
  while (!all.empty()) {
    std::erase_if(all, [](int fd) {
      char byte = 'h';
      if (::send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && (::recv(fd, &byte, 1, 0) != 0)) return false;
      ::close(fd);
      return true;
    });
    ::poll(nullptr, 0, 500);
  }
  return 0;
}

// Who is answered has been accepted, and with it all who came before.
bool is_answered(const sockaddr_in& address) {
  const int fd = connect_to(address);
  std::string back;
  const bool answered = fd >= 0 && send_all(fd, "seen") &&
                        receive_until(fd, back, 30'000, [](const std::string& all) { return all.size() >= 4; });
  if (fd >= 0) ::close(fd);
  return answered && back == "seen";
}

// The kernel forgets a connection that was reset before there was room for it among those that wait to be accepted: so
// no more than these are under way at once.
constexpr int kResetsAtOnce = 1000;

int touch(const sockaddr_in& address, int count, bool by_reset) {
  std::atomic<int> failed{0};
  for (int done = 0; done < count;) {
    std::atomic<int> left{by_reset ? std::min(kResetsAtOnce, count - done) : count};
    done += left;
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        while (left.fetch_sub(1) > 0) {
          const int fd = connect_to(address);
          if (fd < 0) ++failed;
          if (by_reset) end_by_reset(fd);
          ::close(fd);
        }
      });
    }
    for (std::thread& each : threads) each.join();
    if (by_reset && !is_answered(address)) ++failed;
  }
  return failed == 0 ? 0 : 1;
}

int bytes(const sockaddr_in& address, int count) {
  const int fd = connect_to(address);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  std::string sent;
  std::string back;
  for (int i = 0; i < count; ++i) {
    sent += static_cast<char>('a' + i % 26);
    if (!send_all(fd, sent.substr(sent.size() - 1))) return 1;
  }
  ::shutdown(fd, SHUT_WR);
  receive_until(fd, back, 10'000, [&](const std::string& all) { return all.size() > sent.size(); });
  return back == sent ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string kind = argv[1];
  const sockaddr_in address = test_address(argv[2]);
  const int count = std::atoi(argv[3]);
  if (kind == "hold") return hold(address, count, "");
  if (kind == "stall") return hold(address, count, "everything\n");
  if (kind == "trickle") return trickle(address, count);
  if (kind == "scan") return touch(address, count, false);
  if (kind == "reset") return touch(address, count, true);
  if (kind == "bytes") return bytes(address, count);
  return 2;
}
