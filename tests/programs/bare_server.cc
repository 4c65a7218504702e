// bare_server: a bait without a service behind it, on one thread.
//   bare_server ADDRESS:PORT echo     sends back what comes
//   bare_server ADDRESS:PORT silent   takes connections, and nothing else
//   bare_server ADDRESS:PORT pour     sends 64 MiB to each, as fast as it takes them, whatever it says; then the end
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <unordered_map>

#include "net.h"

namespace {

constexpr size_t kPourBytes = 64 << 20;
constexpr size_t kBlockBytes = 65536;

struct Connection {
  std::string waiting;  // to be sent back
  size_t poured = 0;
  bool finished = false;  // it sends no more
};

// False: it is over.
bool echo(int fd, Connection& connection) {
  char block[kBlockBytes];
  while (true) {
    while (!connection.waiting.empty()) {
      const ssize_t put = ::send(fd, connection.waiting.data(), connection.waiting.size(), MSG_NOSIGNAL);
      if (put < 0) return errno == EAGAIN;
      connection.waiting.erase(0, static_cast<size_t>(put));
    }
    if (connection.finished) return false;
    const ssize_t got = ::recv(fd, block, sizeof block, 0);
    if (got < 0) return errno == EAGAIN;
    connection.finished = got == 0;
    connection.waiting.append(block, static_cast<size_t>(got));
  }
}

bool pour(int fd, Connection& connection) {
  static const std::string block(kBlockBytes, 'p');
  while (connection.poured < kPourBytes) {
    const size_t wanted = std::min(block.size(), kPourBytes - connection.poured);
    const ssize_t put = ::send(fd, block.data(), wanted, MSG_NOSIGNAL);
    if (put < 0) return errno == EAGAIN;
    connection.poured += static_cast<size_t>(put);
  }
  return false;
}

void accept_all(int listener, int epoll, std::unordered_map<int, Connection>& connections) {
  while (true) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    connections[fd] = {};
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.fd = fd;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string kind = argv[2];
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const int listener = listen_at(test_address(argv[1]), 4096);
  ::fcntl(listener, F_SETFL, O_NONBLOCK);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  std::puts("ready");
  std::fflush(stdout);
  std::unordered_map<int, Connection> connections;
  while (true) {
    epoll_event ready[256];
    const int count = ::epoll_wait(epoll, ready, 256, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = ready[i].data.fd;
      if (fd == listener) {
        accept_all(listener, epoll, connections);
        continue;
      }
      const bool gone = (ready[i].events & (EPOLLERR | EPOLLHUP)) != 0;
      Connection& connection = connections[fd];
      const bool stays = kind == "silent" || (kind == "echo" ? echo(fd, connection) : pour(fd, connection));
      if (stays && !gone) continue;
      ::close(fd);
      connections.erase(fd);
    }
  }
}
