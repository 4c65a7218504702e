// model_server: one line protocol, every shape of server.
//   model_server --model NAME ADDRESS:PORT [--workers N]
// GOOD x → "OK x"; BAD x → runs a program that no service is allowed, then "DONE x status"; TWICE: two of them; AFTER:
// after the answer; LATER: by a daemon, when the session has ended; STEAL: also by a child that reads from its
// neighbours' sockets; CALL: an orphan connects out, VISIT: the server itself; CRASH → a crash of whoever serves;
// WRITE, START, READ path:x → copies a program there, runs it, or does as the script there says. A request may say
// "HOLD ms" before: "HOLD 20 GOOD 7" keeps the answer back that long, so that sessions overlap.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "models.h"
#include "net.h"

namespace {

struct Job {
  int client;
  std::string line;
};

void finish(const Job& job) {
  send_all(job.client, answer(job.line));
  ::close(job.client);
  after_answer(job.line);
}

int listen_on(const sockaddr_in& address) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::listen(listener, 512) == 0)
    return listener;
  std::perror("model_server");
  std::exit(1);
}

[[noreturn]] void fork_model(int listener) {
  ::signal(SIGCHLD, SIG_IGN);
  for (;;) {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
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

[[noreturn]] void prefork_model(int listener, int workers) {
  for (int i = 0; i < workers; ++i) {
    if (::fork() != 0) continue;
    for (;;) {
      const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (client >= 0) serve(client);
    }
  }
  for (;;) ::pause();
}

[[noreturn]] void thread_model(int listener) {
  for (;;) {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) std::thread(serve, client).detach();
  }
}

// One thread reads all requests, workers answer them: who reads is never who does it.
[[noreturn]] void pool_model(int listener, int workers) {
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
        finish(job);
      }
    }).detach();
  }
  LineLoop(listener, false, [](int client, std::string line) {
    const std::lock_guard lock(mutex);
    jobs.push_back({client, std::move(line)});
    more.notify_one();
  }).run();
}

// One thread for all; each request is answered where it is read.
[[noreturn]] void loop_model(int listener) {
  LineLoop(listener, false, [](int client, std::string line) { finish({client, std::move(line)}); }).run();
}

// The same, and before each answer a lock is taken that is a byte in a pipe, as libuv's is.
[[noreturn]] void lock_model(int listener) {
  static int lock[2];
  if (::pipe2(lock, O_CLOEXEC) != 0) ::_exit(1);
  const auto let_go = [] {
    if (::write(lock[1], "*", 1) != 1) ::_exit(1);
  };
  let_go();
  LineLoop(listener, false, [=](int client, std::string line) {
    char held = 0;
    if (::read(lock[0], &held, 1) != 1) ::_exit(1);
    finish({client, std::move(line)});
    let_go();
  }).run();
}

// The same as a loop, and connections stay for further requests.
[[noreturn]] void keepalive_model(int listener) {
  LineLoop(listener, true, [](int client, const std::string& line) { send_all(client, answer(line)); }).run();
}

// One thread for all: first it reads whatever is there, then it does the oldest of it.
[[noreturn]] void deferred_model(int listener) {
  static std::deque<Job> jobs;
  LineLoop loop(listener, false, [](int client, std::string line) { jobs.push_back({client, std::move(line)}); });
  loop.run(1, [] {
    if (jobs.empty()) return;
    const Job job = std::move(jobs.front());
    jobs.pop_front();
    finish(job);
  });
}

// Several loops, each with a listener of its own on the one port.
[[noreturn]] void loops_model(const sockaddr_in& address, int workers) {
  for (int i = 0; i < workers; ++i) std::thread([=] { loop_model(listen_on(address)); }).detach();
  for (;;) ::pause();
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
  ::signal(SIGPIPE, SIG_IGN);
  if (model == "loops") loops_model(address, workers);
  const int listener = listen_on(address);
  if (model == "fork") fork_model(listener);
  if (model == "prefork") prefork_model(listener, workers);
  if (model == "thread") thread_model(listener);
  if (model == "pool") pool_model(listener, workers);
  if (model == "loop") loop_model(listener);
  if (model == "lock") lock_model(listener);
  if (model == "keepalive") keepalive_model(listener);
  if (model == "deferred") deferred_model(listener);
  if (model == "unix") unix_model(listener, workers);
  if (model == "pipes") pipes_model(listener, workers);
  if (model == "passed") passed_model(listener, workers);
  if (model == "coroutine") coroutine_model(listener, workers);
  if (model == "uring") uring_model(listener);
  std::fprintf(stderr, "model_server: no model '%s'\n", model.c_str());
  return 2;
}
