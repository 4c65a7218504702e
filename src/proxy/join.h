// The join: whose alert is it? Flows come from the monitor with a serial that is never used again and a 4-tuple that
// is; sessions have the 4-tuple. One is bound to the other when both are known, in whichever order they come; the rule
// of `ports.h` makes it at most one session that can be meant. What the monitor says are claims: they count only for
// sessions that this proxy had open to that bait. Pure; one a bait.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "model/session.h"

namespace skep::proxy {

struct Tuple {
  Endpoint proxy;  // our end
  Endpoint bait;
  auto operator<=>(const Tuple&) const = default;
};

class Join {
 public:
  static constexpr size_t kBoundMax = 100'000;   // a daemon left behind may act long after its session
  static constexpr size_t kStrangersMax = 4096;  // flows and alerts whose session is not (yet) known
  static constexpr int64_t kPatienceNs = 2'000'000'000;

  // Who wrote what the alert's session has started.
  struct Writer {
    uint64_t serial = 0;  // 0: nobody else
    Tuple tuple;
    Confidence confidence = Confidence::none;
    uint64_t stream_offset = 0;
  };
  struct Claim {
    uint64_t serial = 0;
    Tuple tuple;
    std::vector<uint64_t> candidates;  // where serial is 0
    Writer writer;
    Alert alert;
  };
  struct Delivered {
    SessionId session;
    Alert alert;
  };
  struct Bound {
    SessionId session;
    Tuple tuple;
  };

  // A session's leg has this 4-tuple. Returns the serial where the flow was told just before.
  std::optional<uint64_t> session_opened(SessionId session, const Tuple& tuple, int64_t now_ns);
  // The session has ended unbound and can be meant by nobody any more (its port is free again), nor can a flow of its
  // 4-tuple that was told and never bound.
  void session_forgotten(SessionId session, const Tuple& tuple);
  // A flow that was told and has met no session is somebody else's, for ever.
  void flow_closed(uint64_t serial);
  // The session that the flow is bound to by this; nullopt: it was bound already, or nobody's yet.
  std::optional<Bound> flow_opened(uint64_t serial, const Tuple& tuple, int64_t now_ns);
  std::optional<SessionId> session_of(uint64_t serial) const;
  // The session whose leg has this 4-tuple and is bound to no flow yet.
  std::optional<SessionId> unbound_at(const Tuple& tuple) const;
  // Whom the alert goes to. None: kept until its session is known, or its time has passed (counted).
  std::vector<Delivered> alert(Claim claim, int64_t now_ns);
  // Alerts that waited for a session which has become known.
  std::vector<Delivered> take_ready(int64_t now_ns);

  struct Counters {
    uint64_t bound = 0;
    uint64_t alerts_dropped = 0;        // of no session of ours
    uint64_t alerts_contradictory = 0;  // the flow that was told has another 4-tuple
    uint64_t flows_dropped = 0;
  };
  const Counters& counters() const { return counters_; }
  size_t bindings() const { return bound_.size(); }
  // Alerts whose session is not known yet.
  size_t waiting() const { return waiting_.size(); }

 private:
  struct Stranger {
    uint64_t serial;
    Tuple tuple;
    int64_t since_ns;
  };
  struct Waiting {
    Claim claim;
    int64_t since_ns;
  };
  void bind(uint64_t serial, const Bound& to);
  void disown(uint64_t serial);
  std::vector<Delivered> deliver(const Claim& claim) const;
  std::vector<Delivered> to_doers(const Claim& claim) const;
  std::optional<Delivered> to_writer(const Claim& claim) const;

  std::map<Tuple, SessionId> unbound_;
  std::map<uint64_t, Bound> bound_;
  std::deque<uint64_t> bound_order_;
  std::deque<Stranger> strangers_;
  std::deque<uint64_t> disowned_;  // serials of flows that are nobody's here
  std::deque<Waiting> waiting_;
  Counters counters_;
};

}  // namespace skep::proxy
