// Servers of two kinds of process: one in front, which speaks with the clients, and workers behind it.
#include <fcntl.h>
#include <sys/un.h>

#include <cstring>
#include <deque>
#include <vector>

#include "base/passing.h"
#include "models.h"
#include "net.h"

namespace {

constexpr char kBackend[] = "skep-model-backend";

template <typename Work>
void fork_workers(int workers, Work work) {
  for (int i = 0; i < workers; ++i) {
    if (::fork() == 0) work(i);
  }
}

}  // namespace

// As nginx before php-fpm: a connection to the workers' socket for each request; they take turns to accept.
void unix_model(int listener, int workers) {
  const int backend = listen_unix(kBackend);
  fork_workers(workers, [&](int) {
    ::close(listener);
    for (;;) {
      const int front = ::accept4(backend, nullptr, nullptr, SOCK_CLOEXEC);
      if (front >= 0) serve(front);
    }
  });
  LineLoop* loop = nullptr;
  LineLoop front(listener, false, [&](int client, const std::string& line) {
    const int worker = connect_unix(kBackend);
    send_all(worker, line);
    loop->watch_once(worker, [client, worker] {
      std::string reply;
      receive_until(worker, reply, 30'000, has_line);
      ::close(worker);
      send_all(client, reply);
      ::close(client);
    });
  });
  loop = &front;
  front.run();
}

// A pair of pipes to each worker; a request goes to a worker that is free, or waits for one.
void pipes_model(int listener, int workers) {
  struct Worker {
    int to[2], from[2];
    int client = -1;
  };
  static std::vector<Worker> all(static_cast<size_t>(workers));
  for (Worker& worker : all) {
    if (::pipe(worker.to) != 0 || ::pipe(worker.from) != 0) ::_exit(1);
  }
  const auto read_line = [](int fd) {
    std::string line;
    char block[4096];
    while (!has_line(line)) {
      const ssize_t got = ::read(fd, block, sizeof block);
      if (got <= 0) ::_exit(0);
      line.append(block, static_cast<size_t>(got));
    }
    return line;
  };
  const auto write_all = [](int fd, const std::string& text) {
    if (::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) ::_exit(1);
  };
  fork_workers(workers, [&](int i) {
    ::close(listener);
    const Worker& own = all[static_cast<size_t>(i)];
    for (;;) write_all(own.from[1], answer(read_line(own.to[0])));
  });
  struct Job {
    int client;
    std::string line;
  };
  static std::deque<Job> jobs;
  static LineLoop* loop = nullptr;
  static std::function<void()> deal;
  deal = [&] {
    for (Worker& worker : all) {
      if (worker.client >= 0 || jobs.empty()) continue;
      worker.client = jobs.front().client;
      write_all(worker.to[1], jobs.front().line);
      jobs.pop_front();
      loop->watch_once(worker.from[0], [&worker, &read_line] {
        send_all(worker.client, read_line(worker.from[0]));
        ::close(worker.client);
        worker.client = -1;
        deal();
      });
    }
  };
  LineLoop front(listener, false, [&](int client, std::string line) {
    jobs.push_back({client, std::move(line)});
    deal();
  });
  loop = &front;
  front.run();
}

// The front accepts and passes the descriptor; it never reads.
void passed_model(int listener, int workers) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0) ::_exit(1);
  fork_workers(workers, [&](int) {
    ::close(listener);
    for (;;) {
      char byte = 0;
      skep::Fd client;
      if (skep::receive_with_descriptor(ends[1], &byte, 1, client) == 1 && client) serve(client.release());
    }
  });
  for (;;) {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    skep::send_with_descriptor(ends[0], "x", 1, client);
    ::close(client);
  }
}
