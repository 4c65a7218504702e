// The page that Prometheus reads, over HTTP, from a thread of its own: the proxy puts a text there once a second, so
// that no scraper, however slow or many, is ever felt by a session. Clients, their requests and their time are bounded.
#pragma once

#include <atomic>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "base/fd.h"
#include "base/result.h"
#include "model/session.h"

namespace skep::proxy {

class MetricsServer {
 public:
  static constexpr size_t kClientsMax = 8;             // beyond, the one that has been there the longest has to go
  static constexpr size_t kRequestBytesMax = 8192;     // 431
  static constexpr int64_t kClientNs = 5'000'000'000;  // from accept to the last byte

  // `listener`: a listening, non-blocking TCP socket.
  explicit MetricsServer(Fd listener);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // From the proxy's thread.
  void publish(std::string text, int64_t now_monotonic_ns);

 private:
  struct Client {
    Fd socket;
    std::string request;
    std::string reply;
    size_t sent = 0;
    int64_t deadline_ns = 0;
  };
  void run();
  void accept_all(int64_t now_ns);
  // False: done with it.
  bool serve(Client& client, int64_t now_ns);
  static bool write_reply(Client& client);
  std::string page(int64_t now_ns);

  Fd listener_;
  Fd wake_;
  std::list<Client> clients_;  // the thread's alone, in the order they came
  std::atomic<bool> stopping_{false};
  // A lock instead of a queue: the newest text alone counts, and it is held for a swap or a copy of some KB.
  std::mutex text_lock_;
  std::string text_;
  int64_t published_ns_ = 0;
  std::thread thread_;
};

// The reply to a request's head, as far as it has come; "" where more of it is needed. `page` is the body of 200.
std::string http_reply(std::string_view request, std::string_view page);

}  // namespace skep::proxy
