// Scanner: one session's client bytes, held against a rule set as they come. What it says does not depend on how they
// were cut. One thread at a time; it may be another one each time, with that one's Scratch.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "payload/flow.h"
#include "payload/rule_set.h"

namespace skep::payload {

// A thread's memory for scanning: any rule set, one scan at a time.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  struct Parts;
  Parts& parts() { return *parts_; }

 private:
  std::unique_ptr<Parts> parts_;
};

// A rule is fulfilled. Once a session and rule.
struct Hit {
  uint32_t rule = 0;           // its number in the set
  uint64_t stream_offset = 0;  // of the client's bytes: where the last byte that it took stands, and one further
};

struct ScanLimits {
  uint64_t bytes_max = uint64_t{1} << 30;  // of a session; beyond it nothing is looked at
};

// What was met on the way, and is counted by whoever scans.
struct ScanCounts {
  uint64_t out_of_window = 0;     // candidates whose beginning went out of sight before they were decided
  uint64_t expression_limit = 0;  // an expression that took more than it may: taken for no match
  uint64_t effort_limit = 0;      // a rule with too many ways to be held against the bytes: likewise
  uint64_t http_broken = 0;       // HTTP that could not be read any further
  uint64_t effort = 0;  // steps of rules that were held against the bytes, and the bytes they searched, weighed
  bool operator==(const ScanCounts&) const = default;
};

class HostBits;

class Scanner {
 public:
  // `hosts`: what sessions leave for others; outlives it. None: no rule finds such a bit set. `now_ns`: the session's
  // beginning, by the clock of all that use them.
  Scanner(std::shared_ptr<const RuleSet> rules, const Flow& flow, const ScanLimits& limits, HostBits* hosts = nullptr,
          int64_t now_ns = 0);
  ~Scanner();
  Scanner(Scanner&&) noexcept;
  Scanner& operator=(Scanner&&) noexcept;

  // The client has sent these: the rules that are fulfilled now, and were not before. The hits lie in `scratch` until
  // its next use.
  std::span<const Hit> take(ByteView bytes, Scratch& scratch);
  // The server has answered: what the client sends from here on is a message of its own, for rules that say how far
  // from the beginning something stands.
  std::span<const Hit> answered(Scratch& scratch);
  // The client sends no more. Rules that only say what is lacking are decided here.
  std::span<const Hit> finish(Scratch& scratch);

  // The head of an HTTP request is under way: a rule on it can only be decided once it is whole.
  bool in_http_head() const;
  // The bytes of the stream after which nothing was looked at, and why: "bytes", "effort".
  struct Stopped {
    uint64_t stream_offset = 0;
    std::string_view why;
  };
  std::optional<Stopped> stopped() const;
  const ScanCounts& counts() const;
  const RuleSet& rules() const;
  // That it holds now, without what is shared.
  size_t bytes_held() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace skep::payload
