// The line protocol of model_server and the loop that reads it.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cstring>
#include <sstream>
#include <utility>

#include "models.h"
#include "net.h"

namespace {

// A child that runs what the service may not run: refused, it never begins. Its arguments say for whom.
int run_unlisted(const std::string& name) {
  std::string script = "exit 0 # " + name + ".";
  char* const argv[] = {const_cast<char*>("/bin/sh"), const_cast<char*>("-c"), script.data(), nullptr};
  pid_t pid = 0;
  if (::posix_spawn(&pid, argv[0], nullptr, nullptr, argv, nullptr) != 0) return -1;
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status;
}

// Leaves a daemon behind, which acts when its session has long been closed.
void leave_daemon(const std::string& name) {
  if (::fork() != 0) return;
  ::setsid();
  ::signal(SIGCHLD, SIG_DFL);
  for (int fd = 3; fd < 1024; ++fd) ::close(fd);
  ::usleep(300'000);
  run_unlisted(name);
  ::_exit(0);
}

// An intruder's child that reads what its neighbours send, and acts once more.
int act_for_a_neighbour(const std::string& name) {
  const int first = run_unlisted(name);
  const pid_t pid = ::fork();
  if (pid == 0) {
    char block[4096];
    for (int fd = 3; fd < 1024; ++fd) {
      sockaddr_in peer{};
      socklen_t bytes = sizeof peer;
      if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &bytes) == 0 && peer.sin_family == AF_INET)
          [[maybe_unused]]
        const ssize_t got = ::recv(fd, block, sizeof block, MSG_DONTWAIT);
    }
    run_unlisted(name);
    ::_exit(0);
  }
  ::waitpid(pid, nullptr, 0);
  return first;
}

// A grandchild whose parent is gone calls out.
int call_out() {
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::fork() == 0) {
      const int fd = connect_to(test_address("10.99.0.2:9"));
      if (fd >= 0) ::close(fd);
    }
    ::_exit(0);
  }
  return ::waitpid(pid, nullptr, 0) == pid ? 0 : -1;
}

// By the serving thread itself.
int visit() {
  const int fd = connect_to(test_address("10.99.0.2:9"));
  if (fd >= 0) ::close(fd);
  return fd >= 0 ? 0 : -1;
}

int copy_program(const std::string& path) {
  const int from = ::open("/bin/true", O_RDONLY | O_CLOEXEC);
  const int to = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
  if (from < 0 || to < 0) return -1;
  char block[65536];
  for (ssize_t got; (got = ::read(from, block, sizeof block)) > 0;) {
    if (::write(to, block, static_cast<size_t>(got)) != got) return -1;
  }
  ::close(from);
  ::close(to);
  return 0;
}

int start_program(const std::string& path, const std::string& name) {
  std::string mark = name + ".";
  char* const argv[] = {const_cast<char*>(path.c_str()), mark.data(), nullptr};
  pid_t pid = 0;
  if (::posix_spawn(&pid, argv[0], nullptr, nullptr, argv, nullptr) != 0) return -1;
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status;
}

// As an interpreter does it: the file is read, and what it says is done by the process itself.
int interpret(const std::string& path, const std::string& name) {
  const int script = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char block[64];
  const ssize_t got = script < 0 ? -1 : ::read(script, block, sizeof block);
  ::close(script);
  return got <= 0 ? -1 : run_unlisted(name);
}

}  // namespace

bool has_line(const std::string& text) {
  return text.find('\n') != std::string::npos;
}

Request parse_request(const std::string& line) {
  Request request;
  std::istringstream words(line);
  words >> request.verb;
  if (request.verb == "HOLD") words >> request.hold_ms >> request.verb;
  words >> request.name;
  return request;
}

std::string act(const Request& request) {
  const std::string& verb = request.verb;
  const std::string& name = request.name;
  const std::string file = name.substr(0, name.rfind(':'));  // of WRITE, START and READ: "PATH:name"
  const std::string mark = name.substr(name.rfind(':') + 1);
  int status = 0;
  if (verb == "BAD") status = run_unlisted(name);
  if (verb == "TWICE") status = run_unlisted(name) | run_unlisted(name);
  if (verb == "LATER") leave_daemon(name);
  if (verb == "STEAL") status = act_for_a_neighbour(name);
  if (verb == "CALL") status = call_out();
  if (verb == "VISIT") status = visit();
  if (verb == "WRITE") status = copy_program(file);
  if (verb == "START") status = start_program(file, mark);
  if (verb == "READ") status = interpret(file, mark);
  if (verb == "CRASH") ::raise(SIGSEGV);
  return (verb == "GOOD" ? "OK " : "DONE ") + name + " " + std::to_string(status) + "\n";
}

std::string answer(const std::string& line) {
  const Request request = parse_request(line);
  if (request.hold_ms > 0) ::usleep(static_cast<useconds_t>(request.hold_ms) * 1000);
  return act(request);
}

void after_answer(const std::string& line) {
  const Request request = parse_request(line);
  if (request.verb == "AFTER") run_unlisted(request.name);
}

void serve(int client) {
  std::string line;
  receive_until(client, line, 30'000, has_line);
  if (has_line(line)) send_all(client, answer(line));
  ::close(client);
  after_answer(line);
}

namespace {
sockaddr_un unix_address(const std::string& name, socklen_t& bytes) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return address;
}
}  // namespace

int listen_unix(const std::string& name) {
  socklen_t bytes = 0;
  const sockaddr_un address = unix_address(name, bytes);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), bytes) != 0 || ::listen(fd, 512) != 0) ::_exit(1);
  return fd;
}

int connect_unix(const std::string& name) {
  socklen_t bytes = 0;
  const sockaddr_un address = unix_address(name, bytes);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), bytes) == 0) return fd;
  ::close(fd);
  return -1;
}

LineLoop::LineLoop(int listener, bool keep, std::function<void(int, std::string)> on_line)
    : listener_(listener), epoll_(::epoll_create1(EPOLL_CLOEXEC)), keep_(keep), on_line_(std::move(on_line)) {
  ::fcntl(listener, F_SETFL, O_NONBLOCK);
  epoll_event wanted{EPOLLIN, {.fd = listener}};
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, listener, &wanted);
}

void LineLoop::watch_once(int fd, std::function<void()> ready) {
  watched_[fd] = std::move(ready);
  epoll_event wanted{EPOLLIN, {.fd = fd}};
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &wanted);
}

void LineLoop::accept_one() {
  const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  epoll_event wanted{EPOLLIN, {.fd = client}};
  if (client >= 0) ::epoll_ctl(epoll_, EPOLL_CTL_ADD, client, &wanted);
}

void LineLoop::forget(int client) {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, client, nullptr);
  reading_.erase(client);
}

void LineLoop::read_from(int client) {
  char block[4096];
  const ssize_t got = ::recv(client, block, sizeof block, 0);
  std::string& line = reading_[client];
  if (got > 0) line.append(block, static_cast<size_t>(got));
  if (got > 0 && !has_line(line)) return;
  const std::string whole = std::exchange(line, "");
  if (!has_line(whole)) {
    forget(client);
    ::close(client);
    return;
  }
  if (!keep_) forget(client);
  on_line_(client, whole);
}

void LineLoop::run(int idle_ms, const std::function<void()>& idle) {
  epoll_event events[16];
  for (;;) {
    const int count = ::epoll_wait(epoll_, events, 16, idle_ms);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener_) {
        accept_one();
      } else if (const auto found = watched_.find(fd); found != watched_.end()) {
        const auto ready = std::move(found->second);
        watched_.erase(found);
        ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
        ready();
      } else {
        read_from(fd);
      }
    }
    if (idle) idle();
  }
}
