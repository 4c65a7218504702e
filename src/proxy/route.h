// Which of a service's baits a session goes to: in turn; a source that has been there goes where it went before, so
// that what it left there it finds again; a bait that refuses is left out for a while. Pure: the time is passed in. One
// thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/recent_map.h"
#include "model/session.h"

namespace skep::proxy {

struct RouteOptions {
  int64_t sticky_ns = 600'000'000'000;  // since its last session a source is remembered
  size_t sources_max = 65'536;          // remembered at once: beyond it the ones longest away are forgotten
  int64_t retry_ns = 10'000'000'000;    // before a bait that refused is asked again
};

class Route {
 public:
  Route(size_t baits, const RouteOptions& options) : options_(options), baits_(baits), visits_(options.sources_max) {}

  // The bait for the next session of this source.
  size_t choose(const Endpoint& source, int64_t now_ns);
  // The bait `refused`: another for the same session; nullopt: there is none that is not left out.
  std::optional<size_t> another(const Endpoint& source, size_t refused, int64_t now_ns);
  // Its service refused, or could not be reached. True: until now it was asked.
  bool failed(size_t bait, int64_t now_ns);
  // A connection to it stands. True: until now it was left out.
  bool answered(size_t bait);

  bool left_out(size_t bait) const { return baits_[bait].failing; }
  uint64_t failures(size_t bait) const { return baits_[bait].failures; }
  size_t baits() const { return baits_.size(); }
  size_t sources() const { return visits_.size(); }

 private:
  struct Bait {
    bool failing = false;
    int64_t retry_at_ns = 0;
    uint64_t failures = 0;
  };
  struct Visit {
    size_t bait = 0;
    int64_t last_ns = 0;
  };
  using Address = std::array<uint8_t, 16>;
  struct Hash {
    size_t operator()(const Address& address) const;
  };

  bool asked(size_t bait, int64_t now_ns) const;
  std::optional<size_t> next_in_turn(int64_t now_ns);
  std::optional<size_t> remembered(const Endpoint& source, int64_t now_ns) const;
  void remember(const Endpoint& source, size_t bait, int64_t now_ns);

  const RouteOptions options_;
  std::vector<Bait> baits_;
  size_t next_ = 0;
  RecentMap<Address, Visit, Hash> visits_;
};

}  // namespace skep::proxy
