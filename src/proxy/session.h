// What one session may do next. Pure: events in, commands out; the bytes themselves, the sockets and the clock are the
// shard's. A side is a leg: the attacker's or the bait's.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/session.h"

namespace skep::proxy {

enum class Side : uint8_t { client = 0, bait = 1 };
constexpr Side other(Side side) {
  return side == Side::client ? Side::bait : Side::client;
}

enum class Phase : uint8_t {
  connecting,
  relaying,
  alone,  // the bait's leg has been let go: what the attacker still sends goes nowhere
  over
};

enum class Command : uint8_t {
  finish_client,  // send FIN to the attacker
  finish_bait,    // send FIN to the bait
  reset_client,   // the leg is to end by a reset
  reset_bait,
  close,  // release both legs; the session is over
};

// What is to be done now, in order: at most two resets or two ends, and the close.
class Commands {
 public:
  using value_type = Command;
  using const_iterator = const Command*;
  void push_back(Command command) { commands_[count_++] = command; }
  const Command* begin() const { return commands_; }
  const Command* end() const { return commands_ + count_; }
  size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }

 private:
  Command commands_[3] = {};
  size_t count_ = 0;
};

class Session {
 public:
  explicit Session(uint64_t buffer_bytes) : buffer_bytes_(buffer_bytes) {}

  // Each returns what is to be done now, in order. An event in a phase in which it cannot happen is a broken promise.
  Commands connected();
  Commands connect_failed(bool refused);
  void received(Side from, uint64_t bytes);  // recorded, and waiting to be passed on
  Commands forwarded(Side to, uint64_t bytes);
  Commands finished(Side from);  // FIN
  Commands was_reset(Side from);
  Commands end(EndReason reason);  // timeout, limit, cut, shutdown: from our side, by reset
  // A rule says that it is known. Quietly: both are sent FIN instead of a reset.
  Commands suppressed(bool quietly);
  void left_alone();  // … and the attacker is kept without a bait
  void diverted();    // … and goes to another one; nothing has been forwarded yet

  // So many of the bytes that wait for the bait, the last ones, are not to be passed on yet. A side is still read.
  Commands hold(uint64_t bytes);

  Phase phase() const { return phase_; }
  EndReason end_reason() const { return reason_; }
  bool wants_read(Side side) const;
  bool wants_write(Side side) const;
  uint64_t waiting_for(Side to) const { return legs_[index(to)].waiting; }
  uint64_t sendable(Side to) const { return waiting_for(to) - (to == Side::bait ? held_ : 0); }
  uint64_t received_from(Side side) const { return legs_[index(side)].received; }
  uint64_t forwarded_to(Side side) const { return legs_[index(side)].forwarded; }

 private:
  struct Leg {
    bool input_over = false;   // it has sent FIN
    bool output_over = false;  // it was sent FIN
    uint64_t waiting = 0;      // bytes not yet passed on to it
    uint64_t received = 0;
    uint64_t forwarded = 0;
  };
  static constexpr size_t index(Side side) { return static_cast<size_t>(side); }
  Leg& leg(Side side) { return legs_[index(side)]; }
  Commands pass_on_ends();
  Commands over(EndReason reason, bool reset_client, bool reset_bait);

  const uint64_t buffer_bytes_;
  Phase phase_ = Phase::connecting;
  EndReason reason_ = EndReason::open;
  uint64_t held_ = 0;  // of what waits for the bait
  Leg legs_[2];
};

}  // namespace skep::proxy
