// The local socket of a running program: `skep` asks, the program answers, one request a connection. Mode 0600, so root
// (or the program's user) alone. Server: non-blocking, driven by `step`; client: blocks, with a deadline.
#pragma once

#include <functional>
#include <list>
#include <string>

#include "base/fd.h"
#include "wire/frame.h"
#include "wire/local.pb.h"

namespace skep::wire {

using LocalHandler = std::function<LocalReply(const LocalRequest&)>;

class LocalServer {
 public:
  // Takes a stale socket file's place; refuses where somebody still listens on it.
  static Result<LocalServer> listen(const std::string& path);
  LocalServer(LocalServer&&) = default;
  int poll_fd() const { return epoll_.get(); }
  void step(int64_t now_monotonic_ns, const LocalHandler& handler);

 private:
  struct Client {
    Fd socket;
    FrameReader reader{kLocalFrameBytesMax};
    Bytes reply;
    int64_t deadline_ns;
  };
  LocalServer(Fd socket, Fd epoll) : socket_(std::move(socket)), epoll_(std::move(epoll)) {}
  // False: this client is done with.
  bool serve(Client& client, const LocalHandler& handler);
  bool write_reply(Client& client);

  Fd socket_;
  Fd epoll_;
  std::list<Client> clients_;
};

LocalReply refusal(std::string words);

// Asks the program that listens at `path`; an error where nobody does, or no answer comes in time.
Result<LocalReply> ask(const std::string& path, const LocalRequest& request, int timeout_ms);

}  // namespace skep::wire
