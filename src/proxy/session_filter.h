// SessionFilter: what a session's client sends, held against the rules of its service (scanner) and let through, held
// or stopped accordingly (sieve). It says what is to be done and what is to be recorded; the relay does it. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/service_options.h"
#include "model/session.h"
#include "payload/scanner.h"
#include "proxy/filter_counters.h"
#include "proxy/filter_places.h"
#include "proxy/sieve.h"

namespace skep::proxy {

// What holds for the sessions of a service. Never changed, so that all shards and sessions have one.
struct FilterPlan {
  std::shared_ptr<const payload::RuleSet> rules;
  payload::ScanLimits limits;
  SieveOptions sieve;
  formats::ServiceMode mode = formats::ServiceMode::bait;
  bool on_any = false;  // of the other modes: generic rules count, too
  formats::FilterAction action = formats::FilterAction::reset;
  std::optional<Endpoint> divert_to;
  int64_t tarpit_ns = 0;
  uint32_t tarpits_max = 0;
  uint32_t samples_a_day = 0;
};

class SessionFilter {
 public:
  struct Shared {
    payload::Scratch& scratch;  // the thread's
    FilterCounters& counters;
    FilterPlaces& places;
  };
  // `now_ns`: monotonic.
  SessionFilter(std::shared_ptr<const FilterPlan> plan, const payload::Flow& flow, const Shared& shared,
                int64_t now_ns);

  // How the session stands.
  struct Standing {
    size_t unsent = 0;       // of the client's bytes, those that have not been forwarded
    bool untouched = false;  // nothing has been forwarded either way
    int64_t now_ns = 0;      // monotonic
    int64_t realtime_ns = 0;
  };
  struct Outcome {
    Sieve::Decision decision;
    HitAction action = HitAction::tagged;  // where it is to be suppressed: how
    std::vector<RuleHit> hits;             // to be recorded
    std::vector<std::string> notes;        // likewise
  };
  Outcome came(ByteView bytes, const Standing& standing);  // they count among `unsent`
  // One that is a message of its own: it goes whole, or not at all.
  Outcome datagram(ByteView bytes, const Standing& standing);
  Outcome answered(const Standing& standing);
  Outcome finished(const Standing& standing);
  // The session is over, whichever way: what is decided now is only recorded.
  Outcome closed();

  // When held bytes are to go on unjudged, or who has said nothing goes to production; 0: nothing is waited for.
  int64_t due_ns() const;
  Sieve::Decision due(int64_t now_ns);

  // Of a trap: whom the session goes to.
  enum class Way : uint8_t { undecided, bait, production };
  Way way() const { return way_; }
  // Of a switch, once: the rule by which later sessions of the source go to the bait.
  std::optional<RuleHit> take_switch() { return std::exchange(switch_, std::nullopt); }

  // Of a suppressed session: whether what still comes is recorded.
  bool recorded() const { return recorded_; }
  const FilterPlan& plan() const { return *plan_; }

 private:
  struct Found {
    std::vector<RuleHit> hits;
    bool known = false;  // one of them counts: it suppresses, traps, switches
  };
  Found found(std::span<const payload::Hit> hits);
  Outcome outcome(Found found, const Sieve::Decision& decision, const Standing& standing);
  void suppress(Outcome& outcome, const Standing& standing);
  bool counts(const RuleHit& hit) const;
  // Whether what the client sends may still be held or suppressed.
  bool deciding() const { return plan_->mode == formats::ServiceMode::bait || way_ == Way::undecided; }
  HitAction route(const Sieve::Decision& decision);
  HitAction choose(const Standing& standing, std::vector<std::string>& notes);
  void say_stopped(Outcome& outcome);

  const std::shared_ptr<const FilterPlan> plan_;
  const Shared shared_;
  payload::Scanner scanner_;
  Sieve sieve_;
  Tarpit::Place place_;
  const int64_t opened_ns_;
  Way way_;
  std::optional<RuleHit> switch_;
  bool asked_ = false;     // the client has sent something since the bait last answered
  bool finished_ = false;  // the scanner has been told so
  bool over_ = false;      // it was suppressed: nothing is looked at any more
  bool recorded_ = true;
  bool stop_said_ = false;
};

}  // namespace skep::proxy
