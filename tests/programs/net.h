// What the test programs share: addresses that they may speak with, connecting, listening, waiting for bytes.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

// "10.99.1.2:80". Loopback and the testbed's 10.99.0.0/16 alone: the test programs go nowhere else.
inline sockaddr_in test_address(const std::string& text) {
  sockaddr_in address{};
  const size_t colon = text.rfind(':');
  address.sin_family = AF_INET;
  const bool good = colon != std::string::npos && ::inet_aton(text.substr(0, colon).c_str(), &address.sin_addr) != 0;
  const uint32_t host = ntohl(address.sin_addr.s_addr);
  if (!good || (host >> 24 != 127 && host >> 16 != (10u << 8 | 99u))) {
    std::fprintf(stderr, "'%s': only addresses in 127.0.0.0/8 and 10.99.0.0/16 are spoken with\n", text.c_str());
    std::exit(2);
  }
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(text.c_str() + colon + 1)));
  return address;
}

inline int connect_to(const sockaddr_in& address) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  if (fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  if (fd >= 0) ::close(fd);
  return -1;
}

// A listener there; where it cannot be had, the end.
inline int listen_at(const sockaddr_in& address, int backlog) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, backlog) != 0) {
    std::perror("listen");
    std::exit(1);
  }
  return listener;
}

// A child of its own serves each connection.
template <typename Serve>
[[noreturn]] void serve_by_fork(int listener, Serve serve) {
  for (;;) {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    if (::fork() == 0) {
      serve(client);
      ::_exit(0);
    }
    ::close(client);
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
}

inline unsigned local_port(int fd) {
  sockaddr_in own{};
  socklen_t bytes = sizeof own;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &bytes);
  return ntohs(own.sin_port);
}

inline long long realtime_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

inline bool send_all(int fd, const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t put = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (put <= 0) return false;
    sent += static_cast<size_t>(put);
  }
  return true;
}

// Appends what comes until `enough` says so, the peer ends (true), or `timeout_ms` pass without a byte (false).
template <typename Enough>
bool receive_until(int fd, std::string& to, int timeout_ms, Enough enough) {
  char block[65536];
  while (!enough(to)) {
    pollfd wait{fd, POLLIN, 0};
    if (::poll(&wait, 1, timeout_ms) <= 0) return false;
    const ssize_t got = ::recv(fd, block, sizeof block, 0);
    if (got <= 0) return true;
    to.append(block, static_cast<size_t>(got));
  }
  return true;
}

// As a JSON string holds it.
inline std::string escaped(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    char code[8];
    std::snprintf(code, sizeof code, c < 0x20 || c >= 0x7f || c == '"' || c == '\\' ? "\\u%04x" : "%c",
                  static_cast<unsigned char>(c));
    text += code;
  }
  return text;
}
