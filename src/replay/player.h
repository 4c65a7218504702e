// The player: one attempt to hold a recorded dialogue with a target, by a plan. Blocking, with deadlines; one thread an
// attempt. It connects to the target alone; what the service calls back comes to a sink of its own.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "replay/plan.h"

namespace skep::replay {

struct PlayerOptions {
  bool as_recorded_timing = false;  // wait between messages as the client did; else as fast as the answers allow
  uint32_t connect_timeout_ms = 5000;
  uint32_t answer_timeout_ms = 10'000;  // for an answer that was recorded and does not come
  uint32_t quiet_ms = 150;              // an answer of another length is over when nothing came for so long
  uint32_t after_ms = 1000;             // what is listened for behind the trigger, at least; 3 times the recorded delay
  uint64_t answer_bytes_max = 16 << 20;  // of all answers of an attempt: beyond, the attempt ends as `flooded`
  uint32_t attempt_ms_max = 120'000;
  bool look_for_greeting = true;  // of a target whose first answer is not the recorded one (Attempt::greeted)
};

enum class Ending : uint8_t {
  open,           // it was open when the attempt was over
  closed,         // by the target, in order
  reset,          // by the target
  not_connected,  // refused, or unreachable
  connect_timeout,
  timed_out,    // an answer did not come
  flooded,      // more came than is taken
  lacks_value,  // an answer did not hold what a message needs (`lacking`)
  failed,       // this machine could not (`lacking` says what)
};
std::string_view to_string(Ending ending);

// What came of one attempt.
struct Attempt {
  Endpoint target;
  Endpoint own;
  int64_t begun_ns = 0;      // realtime
  int64_t triggered_ns = 0;  // when the trigger message had been sent; 0: it was not
  int64_t ended_ns = 0;
  uint32_t steps_total = 0;    // client messages up to the trigger
  uint32_t steps_done = 0;     // of them, sent
  std::vector<Bytes> sent;     // by recorded message: what was sent in its place
  std::vector<Bytes> answers;  // by recorded message: what came in its place
  Bytes after;                 // what came behind the trigger, in all
  Ending ending = Ending::open;
  std::string lacking;
  bool alive_after = false;  // a fresh connection was taken once it was over
  bool greeted = false;      // … and spoken to first, though the recorded service waits for its client
  struct SinkHit {
    Endpoint peer;
    int64_t time_ns = 0;
    Bytes bytes;
  };
  std::vector<SinkHit> sink_hits;
  // As far as an oracle watched.
  bool watched = false;
  std::string unwatched_because;
  uint32_t served_by_pid = 0;
  std::vector<Alert> alerts;
};

// Who knows what happens on the target's host: a skep-monitor, by way of the proxy that is its peer.
class Oracle {
 public:
  virtual ~Oracle() = default;
  // A connection that is about to be made from `own` to `target`. A number for what follows. Error: nobody watches that
  // target, in words. Code EADDRINUSE: another source port is wanted.
  virtual Result<uint64_t> watch(const Endpoint& own, const Endpoint& target) = 0;
  struct Seen {
    std::vector<Alert> alerts;  // all of them
    uint32_t served_by_pid = 0;
    bool supervised = true;  // the monitor was there all the while
  };
  virtual Result<Seen> seen(uint64_t number) = 0;
  virtual void over(uint64_t number) = 0;
};

// `oracle` nullptr: nobody watches. `stop`: set by a signal; the attempt ends soon.
Attempt play(const Recording& recording, const Plan& plan, const Endpoint& target, const PlayerOptions& options,
             Oracle* oracle, const std::atomic<bool>& stop);

}  // namespace skep::replay
