// Both ends of a proxy. A request is 128 bytes: a letter and a number. 'd': the answer is so many bytes, then the end.
// 'u': so many bytes follow, and the answer is one byte. 'm': messages of 64 bytes follow, each is sent back. 'h': the
// answer is one byte, and the connection stays. Or it is an HTTP request of 384 bytes whose path is such a letter and
// number; of 'u' so many more bytes of such requests follow.
// clang-format off
//   bench_tcp_load serve ADDRESS:PORT                        answers until it is ended
//   bench_tcp_load fetch ADDRESS:PORT COUNT PARALLEL BYTES   COUNT connections one after the other on PARALLEL threads
//   bench_tcp_load upload ADDRESS:PORT COUNT PARALLEL BYTES [KIND]  the same the other way; of a KIND: same random elf http
//   bench_tcp_load request ADDRESS:PORT COUNT PARALLEL BYTES  as fetch, asked by HTTP
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
#include <fstream>
#include <sstream>
#include <string_view>
#include <thread>
#include <vector>

#include "net.h"

namespace {

constexpr size_t kRequestBytes = 128;
constexpr size_t kMessageBytes = 64;
constexpr size_t kHttpBytes = 384;
constexpr size_t kBlockBytes = 256 << 10;
constexpr int kServers = 80;
constexpr int kBacklog = 1024;

std::string http_request(char what, size_t number) {
  static std::atomic<unsigned> serial{0};
  std::string out = std::string("GET /") + what + std::to_string(number) + "/item" + std::to_string(serial++ % 1000) +
                    ".html?view=full HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) "
                    "Gecko/20100101\r\nAccept: text/html,application/xhtml+xml,*/*;q=0.8\r\nAccept-Language: en\r\n"
                    "Accept-Encoding: gzip, deflate\r\nCookie: session=";
  const std::string end = "\r\nConnection: keep-alive\r\n\r\n";
  while (out.size() + end.size() < kHttpBytes) out.push_back(static_cast<char>('a' + out.size() % 26));
  return out + end;
}

// As much as is sent at once, over and over.
std::string block_of(const std::string& kind) {
  std::string block;
  if (kind == "random") {
    uint64_t state = 2004;
    while (block.size() < kBlockBytes) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      block.push_back(static_cast<char>(state >> 56));
    }
  } else if (kind == "elf") {
    std::ifstream file("/proc/self/exe", std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    while (block.size() < kBlockBytes) block += bytes.str();
    block.resize(kBlockBytes);
  } else if (kind == "http") {
    while (block.size() + kHttpBytes <= kBlockBytes) block += http_request('d', 0);
  } else {
    block.assign(kBlockBytes, 'a');
  }
  return block;
}

void send_block(int fd, size_t left, const std::string& kind = "same") {
  static const std::string block = block_of(kind);
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
  const std::string_view http = "GET /";
  const bool is_http = std::string_view(request).starts_with(http);
  const char* const asked = is_http ? request + http.size() : request;
  if (is_http && !take(fd, kHttpBytes - kRequestBytes)) return true;
  const size_t number = std::strtoull(asked + 1, nullptr, 10);
  switch (asked[0]) {
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

bool upload(int fd, size_t bytes, const std::string& kind) {
  if (kind == "http" ? !send_all(fd, http_request('u', bytes)) : !ask(fd, 'u', bytes)) return false;
  send_block(fd, bytes, kind);
  return take(fd, 1);
}

bool request(int fd, size_t bytes) {
  return send_all(fd, http_request('d', bytes)) && take(fd, bytes) && is_over(fd);
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
  const std::string kind = argc > 6 ? argv[6] : "same";
  if (mode == "upload")
    return each_connection(address, count, parallel, [&](int fd) { return upload(fd, bytes, kind); });
  if (mode == "request") return each_connection(address, count, parallel, [&](int fd) { return request(fd, bytes); });
  if (mode == "reset") return each_connection(address, count, parallel, [&](int fd) { return reset(fd, bytes); });
  if (mode == "messages") return messages(address, count, parallel);
  return 2;
}
