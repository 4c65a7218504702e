// model_server: one line protocol, five shapes of server.
//   model_server --model fork|prefork|thread|pool|loop ADDRESS:PORT [--workers N]
// GOOD x → "OK x"; BAD x → runs a program that no service is allowed, then "DONE x status"; CRASH → a crash of whoever
// serves. A request may say "HOLD ms" before: "HOLD 20 GOOD 7" keeps the answer back that long, so that sessions
// overlap.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>
#include <vector>

#include "net.h"

namespace {

// A child that runs what the service may not run: refused, it never begins.
int run_unlisted() {
  char* const argv[] = {const_cast<char*>("/bin/sh"), const_cast<char*>("-c"), const_cast<char*>("exit 0"), nullptr};
  pid_t pid = 0;
  if (::posix_spawn(&pid, argv[0], nullptr, nullptr, argv, nullptr) != 0) return -1;
  int status = 0;
  ::waitpid(pid, &status, 0);
  return status;
}

std::string answer(const std::string& line) {
  std::istringstream words(line);
  std::string verb, name;
  words >> verb;
  if (verb == "HOLD") {
    int ms = 0;
    words >> ms >> verb;
    ::usleep(static_cast<useconds_t>(ms) * 1000);
  }
  words >> name;
  if (verb == "BAD") return "DONE " + name + " " + std::to_string(run_unlisted()) + "\n";
  if (verb == "CRASH") ::raise(SIGSEGV);
  return "OK " + name + "\n";
}

bool has_line(const std::string& text) {
  return text.find('\n') != std::string::npos;
}

void serve(int client) {
  std::string line;
  receive_until(client, line, 30'000, has_line);
  if (has_line(line)) send_all(client, answer(line));
  ::close(client);
}

void fork_model(int listener) {
  ::signal(SIGCHLD, SIG_IGN);
  for (;;) {
    const int client = ::accept(listener, nullptr, nullptr);
    if (client < 0) continue;
    if (::fork() == 0) {
      ::signal(SIGCHLD, SIG_DFL);
      ::close(listener);
      serve(client);
      ::_exit(0);
    }
    ::close(client);
  }
}

void prefork_model(int listener, int workers) {
  for (int i = 0; i < workers; ++i) {
    if (::fork() != 0) continue;
    for (;;) {
      const int client = ::accept(listener, nullptr, nullptr);
      if (client >= 0) serve(client);
    }
  }
  for (;;) ::pause();
}

void thread_model(int listener) {
  for (;;) {
    const int client = ::accept(listener, nullptr, nullptr);
    if (client >= 0) std::thread(serve, client).detach();
  }
}

// One thread reads all requests, workers answer them: who reads is never who does it.
void pool_model(int listener, int workers) {
  struct Job {
    int client;
    std::string line;
  };
  static std::mutex mutex;
  static std::condition_variable more;
  static std::deque<Job> jobs;
  for (int i = 0; i < workers; ++i) {
    std::thread([] {
      for (;;) {
        std::unique_lock lock(mutex);
        more.wait(lock, [] { return !jobs.empty(); });
        const Job job = std::move(jobs.front());
        jobs.pop_front();
        lock.unlock();
        send_all(job.client, answer(job.line));
        ::close(job.client);
      }
    }).detach();
  }
  const int epoll = ::epoll_create1(0);
  std::map<int, std::string> reading;
  epoll_event event{EPOLLIN, {.fd = listener}};
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    if (::epoll_wait(epoll, &event, 1, -1) != 1) continue;
    if (event.data.fd == listener) {
      const int client = ::accept(listener, nullptr, nullptr);
      epoll_event wanted{EPOLLIN, {.fd = client}};
      if (client >= 0) ::epoll_ctl(epoll, EPOLL_CTL_ADD, client, &wanted);
      continue;
    }
    const int client = event.data.fd;
    char block[4096];
    const ssize_t got = ::recv(client, block, sizeof block, 0);
    std::string& line = reading[client];
    if (got > 0) line.append(block, static_cast<size_t>(got));
    if (got > 0 && !has_line(line)) continue;
    ::epoll_ctl(epoll, EPOLL_CTL_DEL, client, nullptr);
    if (has_line(line)) {
      const std::lock_guard lock(mutex);
      jobs.push_back({client, std::move(line)});
      more.notify_one();
    } else {
      ::close(client);
    }
    reading.erase(client);
  }
}

// One thread for all; each request is answered where it is read.
void loop_model(int listener) {
  const int epoll = ::epoll_create1(0);
  std::map<int, std::string> reading;
  epoll_event event{EPOLLIN, {.fd = listener}};
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    if (::epoll_wait(epoll, &event, 1, -1) != 1) continue;
    const int client = event.data.fd == listener ? ::accept(listener, nullptr, nullptr) : event.data.fd;
    if (client < 0) continue;
    if (event.data.fd == listener) {
      epoll_event wanted{EPOLLIN, {.fd = client}};
      ::epoll_ctl(epoll, EPOLL_CTL_ADD, client, &wanted);
      continue;
    }
    char block[4096];
    const ssize_t got = ::recv(client, block, sizeof block, 0);
    std::string& line = reading[client];
    if (got > 0) line.append(block, static_cast<size_t>(got));
    if (got > 0 && !has_line(line)) continue;
    if (has_line(line)) send_all(client, answer(line));
    reading.erase(client);
    ::close(client);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string model, where;
  int workers = 4;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--model")
      model = argv[++i];
    else if (word == "--workers")
      workers = std::atoi(argv[++i]);
    else
      where = word;
  }
  const sockaddr_in address = test_address(where);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 512) != 0) {
    std::perror("model_server");
    return 1;
  }
  if (model == "fork") fork_model(listener);
  if (model == "prefork") prefork_model(listener, workers);
  if (model == "thread") thread_model(listener);
  if (model == "pool") pool_model(listener, workers);
  if (model == "loop") loop_model(listener);
  std::fprintf(stderr, "model_server: --model fork, prefork, thread, pool or loop\n");
  return 2;
}
