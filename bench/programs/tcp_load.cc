// Both ends of a proxy. A request is 128 bytes: a letter and a number. 'd': the answer is so many bytes, then the end.
// 'u': so many bytes follow, and the answer is one byte. 'm': messages of 64 bytes follow, each is sent back. 'h': the
// answer is one byte, and the connection stays.
// clang-format off
//   bench_tcp_load serve ADDRESS:PORT                        answers until it is ended
//   bench_tcp_load fetch ADDRESS:PORT COUNT PARALLEL BYTES   COUNT connections one after the other on PARALLEL threads
//   bench_tcp_load upload ADDRESS:PORT COUNT PARALLEL BYTES  the same the other way
//   bench_tcp_load messages ADDRESS:PORT COUNT PARALLEL      COUNT messages, and their echoes, on PARALLEL connections
//   bench_tcp_load reset ADDRESS:PORT COUNT PARALLEL         connections that are reset as soon as they stand
//   bench_tcp_load hold ADDRESS:PORT COUNT                   COUNT connections that stay until it is ended; "held" is printed
// clang-format on
// Exits with 1 where one was not answered in full. `messages` prints the median and the 99th percentile of an echo's
// time, ns.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "net.h"

namespace {

constexpr size_t kRequestBytes = 128;
constexpr size_t kMessageBytes = 64;
constexpr size_t kBlockBytes = 256 << 10;
constexpr int kServers = 80;
constexpr int kBacklog = 1024;

void send_block(int fd, size_t left) {
  static const std::string block(kBlockBytes, 'a');
  while (left > 0) {
    const ssize_t sent = ::send(fd, block.data(), std::min(left, block.size()), MSG_NOSIGNAL);
    if (sent <= 0) return;
    left -= static_cast<size_t>(sent);
  }
}

bool take(int fd, size_t left) {
  thread_local std::string block(kBlockBytes, '\0');
  while (left > 0) {
    const ssize_t got = ::recv(fd, block.data(), std::min(left, block.size()), 0);
    if (got <= 0) return false;
    left -= static_cast<size_t>(got);
  }
  return true;
}

// False: the connection is to stay open.
bool answer(int fd) {
  char request[kRequestBytes + 1] = {};
  if (::recv(fd, request, kRequestBytes, MSG_WAITALL) != ssize_t{kRequestBytes}) return true;
  const size_t number = std::strtoull(request + 1, nullptr, 10);
  switch (request[0]) {
    case 'd':
      send_block(fd, number);
      return true;
    case 'u':
      if (take(fd, number)) ::send(fd, "k", 1, MSG_NOSIGNAL);
      return true;
    case 'm':
      while (::recv(fd, request, kMessageBytes, MSG_WAITALL) == ssize_t{kMessageBytes})
        ::send(fd, request, kMessageBytes, MSG_NOSIGNAL);
      return true;
    case 'h':
      ::send(fd, "k", 1, MSG_NOSIGNAL);
      return false;
    default:
      return true;
  }
}

int serve(const sockaddr_in& address) {
  const int listener = listen_at(address, kBacklog);
  const auto work = [listener] {
    for (int fd = 0; (fd = ::accept(listener, nullptr, nullptr)) >= 0;) {
      if (answer(fd)) ::close(fd);
    }
  };
  std::vector<std::jthread> servers;
  for (int i = 0; i < kServers; ++i) servers.emplace_back(work);
  return 0;
}

bool ask(int fd, char what, size_t number) {
  std::string request = what + std::to_string(number);
  request.resize(kRequestBytes, ' ');
  return send_all(fd, request);
}

bool is_over(int fd) {
  char byte = 0;
  return ::recv(fd, &byte, 1, 0) == 0;
}

bool fetch(int fd, size_t bytes) {
  return ask(fd, 'd', bytes) && take(fd, bytes) && is_over(fd);
}

bool upload(int fd, size_t bytes) {
  if (!ask(fd, 'u', bytes)) return false;
  send_block(fd, bytes);
  return take(fd, 1);
}

bool reset(int fd, size_t) {
  const linger now{1, 0};
  return ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0;
}

// `count` connections, each used once, on `parallel` threads.
template <typename Use>
int each_connection(const sockaddr_in& address, int count, int parallel, Use use) {
  std::atomic<int> next{0};
  std::atomic<int> failed{0};
  const auto work = [&] {
    while (next++ < count) {
      const int fd = connect_to(address);
      failed += fd >= 0 && use(fd) ? 0 : 1;
      if (fd >= 0) ::close(fd);
    }
  };
  std::vector<std::jthread> clients;
  for (int i = 0; i < parallel; ++i) clients.emplace_back(work);
  clients.clear();
  if (failed > 0) std::fprintf(stderr, "%d of %d connections were not answered in full\n", failed.load(), count);
  return failed > 0 ? 1 : 0;
}

bool message(int fd) {
  char bytes[kMessageBytes] = {};
  return ::send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) == ssize_t{sizeof bytes} &&
         ::recv(fd, bytes, sizeof bytes, MSG_WAITALL) == ssize_t{sizeof bytes};
}

int messages(const sockaddr_in& address, int count, int parallel) {
  std::vector<std::vector<int64_t>> took(static_cast<size_t>(parallel));
  std::atomic<size_t> thread{0};
  const int failed = each_connection(address, parallel, parallel, [&](int fd) {
    auto& mine = took[thread++];
    if (!ask(fd, 'm', 0)) return false;
    for (int i = 0; i < count / parallel; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      if (!message(fd)) return false;
      mine.push_back(
          std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin).count());
    }
    return true;
  });
  std::vector<int64_t> all;
  for (const auto& mine : took) all.insert(all.end(), mine.begin(), mine.end());
  std::sort(all.begin(), all.end());
  if (failed == 0) std::printf("%ld %ld\n", all[all.size() / 2], all[all.size() * 99 / 100]);
  return failed;
}

int hold(const sockaddr_in& address, int count) {
  std::vector<int> held;
  for (int i = 0; i < count; ++i) {
    held.push_back(connect_to(address));
    if (held.back() < 0 || !ask(held.back(), 'h', 0) || !take(held.back(), 1)) {
      std::fprintf(stderr, "connection %d was not answered\n", i);
      return 1;
    }
  }
  std::puts("held");
  std::fflush(stdout);
  ::pause();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 2 ? argv[1] : "";
  if (argc < 3) return 2;
  const sockaddr_in address = test_address(argv[2]);
  if (mode == "serve") return serve(address);
  if (argc < 4) return 2;
  const int count = std::atoi(argv[3]);
  if (mode == "hold") return hold(address, count);
  if (argc < 5) return 2;
  const int parallel = std::atoi(argv[4]);
  const size_t bytes = argc > 5 ? std::strtoull(argv[5], nullptr, 10) : 0;
  if (mode == "fetch") return each_connection(address, count, parallel, [&](int fd) { return fetch(fd, bytes); });
  if (mode == "upload") return each_connection(address, count, parallel, [&](int fd) { return upload(fd, bytes); });
  if (mode == "reset") return each_connection(address, count, parallel, [&](int fd) { return reset(fd, bytes); });
  if (mode == "messages") return messages(address, count, parallel);
  return 2;
}
