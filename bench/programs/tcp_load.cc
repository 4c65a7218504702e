// Both ends of a proxy. A request is 128 bytes that begin with a number; the answer is so many bytes, then the end.
//   bench_tcp_load serve ADDRESS:PORT                         answers until it is ended
//   bench_tcp_load fetch ADDRESS:PORT COUNT PARALLEL BYTES    COUNT connections one after the other on PARALLEL
//   threads;
//                                                             exits with 1 where one was not answered in full
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "net.h"

namespace {

constexpr size_t kRequestBytes = 128;
constexpr size_t kBlockBytes = 256 << 10;
constexpr int kServers = 32;
constexpr int kBacklog = 1024;

void answer(int fd) {
  char request[kRequestBytes + 1] = {};
  if (::recv(fd, request, kRequestBytes, MSG_WAITALL) != ssize_t{kRequestBytes}) return;
  static const std::string block(kBlockBytes, 'a');
  for (size_t left = std::strtoull(request, nullptr, 10); left > 0;) {
    const ssize_t sent = ::send(fd, block.data(), std::min(left, block.size()), MSG_NOSIGNAL);
    if (sent <= 0) return;
    left -= static_cast<size_t>(sent);
  }
}

int serve(const sockaddr_in& address) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, kBacklog) != 0) {
    std::perror("serve");
    return 1;
  }
  const auto work = [listener] {
    for (int fd = 0; (fd = ::accept(listener, nullptr, nullptr)) >= 0; ::close(fd)) answer(fd);
  };
  std::vector<std::jthread> servers;
  for (int i = 0; i < kServers; ++i) servers.emplace_back(work);
  return 0;
}

bool fetch(const sockaddr_in& address, size_t bytes, std::string& block) {
  const int fd = connect_to(address);
  if (fd < 0) return false;
  std::string request = std::to_string(bytes);
  request.resize(kRequestBytes, ' ');
  bool good = send_all(fd, request);
  ssize_t got = 0;
  while (good && (got = ::recv(fd, block.data(), block.size(), 0)) > 0) bytes -= static_cast<size_t>(got);
  ::close(fd);
  return good && got == 0 && bytes == 0;
}

int fetch_all(const sockaddr_in& address, int count, int parallel, size_t bytes) {
  std::atomic<int> next{0};
  std::atomic<int> failed{0};
  const auto work = [&] {
    std::string block(kBlockBytes, '\0');
    while (next++ < count) failed += fetch(address, bytes, block) ? 0 : 1;
  };
  std::vector<std::jthread> clients;
  for (int i = 0; i < parallel; ++i) clients.emplace_back(work);
  clients.clear();
  if (failed > 0) std::fprintf(stderr, "%d of %d connections were not answered in full\n", failed.load(), count);
  return failed > 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 2 ? argv[1] : "";
  if (mode == "serve") return serve(test_address(argv[2]));
  if (mode != "fetch" || argc != 6) return 2;
  return fetch_all(test_address(argv[2]), std::atoi(argv[3]), std::atoi(argv[4]), std::strtoull(argv[5], nullptr, 10));
}
