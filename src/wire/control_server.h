// The monitor's end: listens for its one proxy. Strangers get a few seconds and a few slots; the slot of the
// authenticated peer is its own, and the newest takes it. Non-blocking, driven by `step`; one thread.
#pragma once

#include <list>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/session.h"
#include "wire/connection.h"

namespace skep::wire {

constexpr int64_t kHandshakeTimeoutNs = 3'000'000'000;
constexpr size_t kPendingMax = 16;
constexpr size_t kPendingPerAddressMax = 4;

struct PeerConnected {
  std::string peer;
};
struct PeerGone {
  std::string why;
};
using ControlEvent = std::variant<PeerConnected, Frame, PeerGone>;

class ControlServer {
 public:
  static Result<ControlServer> listen(const Endpoint& where, TlsContext context);
  ControlServer(ControlServer&&) = default;

  // Readable when `step` has something to do.
  int poll_fd() const { return epoll_.get(); }
  // Where it listens (the port that was given out, where 0 was asked for).
  Endpoint endpoint() const { return endpoint_; }
  // Does what can be done now; returns what happened, in order.
  std::vector<ControlEvent> step(int64_t now_monotonic_ns);
  // False where no peer is connected, or its way out is full (counted).
  bool send(const Frame& frame);
  bool connected() const { return peer_.has_value(); }
  uint64_t strangers_refused() const { return strangers_refused_; }
  ChannelCounters counters() const { return peer_ ? peer_->connection.channel().counters() : ChannelCounters{}; }

 private:
  struct Pending {
    Connection connection;
    std::string address;
    int64_t deadline_ns;
  };
  struct Peer {
    Connection connection;
    std::string name;
  };

  ControlServer(Fd socket, Fd epoll, Endpoint endpoint, TlsContext context)
      : context_(std::move(context)), socket_(std::move(socket)), epoll_(std::move(epoll)), endpoint_(endpoint) {}
  void accept_all(int64_t now);
  void step_pending(int64_t now, std::vector<ControlEvent>& events);
  void step_peer(std::vector<ControlEvent>& events);
  void watch_writes(Connection& connection);

  TlsContext context_;
  Fd socket_;
  Fd epoll_;
  Endpoint endpoint_;
  std::list<Pending> pending_;
  std::optional<Peer> peer_;
  uint64_t strangers_refused_ = 0;
};

}  // namespace skep::wire
