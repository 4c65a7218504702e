// What one session of datagrams may do next, and what it has counted. There is no beginning and no end on the wire: it
// stands when it has a socket towards the bait, and is over when it is ended, or the bait's host says that nobody is
// there. Pure; the sockets and the bytes are the relay's.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/session.h"
#include "proxy/session.h"

namespace skep::proxy {

class DatagramSession {
 public:
  // `bytes_max`: both directions together; 0: none.
  explicit DatagramSession(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  void connected();
  void connect_failed(bool refused);
  // Recorded. False: with it the session has met bytes_max, and it is not to be passed on.
  [[nodiscard]] bool received(Side from, uint64_t bytes);
  void forwarded(Side to, uint64_t bytes);
  void dropped(Side to, uint64_t datagrams);  // they could not be passed on
  void refused();                             // ICMP from the bait's host: nobody has the port
  void end(EndReason reason);

  Phase phase() const { return phase_; }
  EndReason end_reason() const { return reason_; }
  bool answered() const { return answered_; }  // by the bait
  uint64_t received_from(Side side) const { return legs_[index(side)].received; }
  uint64_t forwarded_to(Side side) const { return legs_[index(side)].forwarded; }
  uint64_t dropped_to(Side side) const { return legs_[index(side)].dropped; }

 private:
  struct Leg {
    uint64_t received = 0;   // bytes
    uint64_t forwarded = 0;  // bytes
    uint64_t dropped = 0;    // datagrams
  };
  static constexpr size_t index(Side side) { return static_cast<size_t>(side); }
  void over(EndReason reason);

  const uint64_t bytes_max_;
  Phase phase_ = Phase::connecting;
  EndReason reason_ = EndReason::open;
  bool answered_ = false;
  Leg legs_[2];
};

}  // namespace skep::proxy
