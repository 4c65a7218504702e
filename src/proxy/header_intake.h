// HeaderIntake: connections of trusted balancers, from accept until the PROXY header is there that says whose they are.
// It is looked at in the socket and taken from there whole, so that the client's first byte is the next to be read.
// Each has so long and no longer, and so many bytes. The shard's thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "base/fd.h"
#include "base/result.h"
#include "io/sockets.h"
#include "model/session.h"

namespace skep::proxy {

// A connection as it came in.
struct Arrival {
  io::Accepted accepted;  // its ends: as they were told, where they were
  size_t service = 0;
  uint16_t offset = 0;  // of the port in the range that is listened on
  Endpoint balancer;    // who told the client's address; port 0: nobody
  std::string words;    // to be noted in the session's log; empty: nothing
};

class HeaderIntake {
 public:
  static Result<std::unique_ptr<HeaderIntake>> make();

  int poll_fd() const { return epoll_.get(); }
  size_t waiting() const { return waiting_.size(); }
  // False: it cannot be watched (errno), and stays the caller's.
  bool take(Arrival& arrival, int64_t deadline_ns);

  struct Outcome {
    Arrival arrival;
    // `open`: the header is whole, and the session goes on. Else it is over: what was sent stays in the socket.
    EndReason reason = EndReason::open;
  };
  using Done = std::function<void(Outcome)>;
  // What has been decided meanwhile.
  void step(int64_t now_ns, const Done& done);
  // All of them end for this reason.
  void end_all(EndReason reason, const Done& done);

 private:
  struct Waiting {
    Arrival arrival;
    int64_t deadline_ns = 0;
  };
  explicit HeaderIntake(Fd epoll) : epoll_(std::move(epoll)) {}
  void look(uint64_t number, uint32_t events, const Done& done);
  void finish(uint64_t number, Outcome outcome, const Done& done);
  void end(uint64_t number, EndReason reason, const char* words, const Done& done);

  Fd epoll_;
  std::map<uint64_t, Waiting> waiting_;  // by a running number
  std::multimap<int64_t, uint64_t> deadlines_;
  uint64_t next_ = 0;
};

}  // namespace skep::proxy
