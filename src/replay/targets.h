// Where recorded attacks may be sent, and how often. Pure; one thread an object.
#pragma once

#include <map>
#include <string>

#include "formats/replay_options.h"

namespace skep::replay {

class Targets {
 public:
  Targets() = default;
  explicit Targets(formats::ReplayOptions options) : options_(std::move(options)) {}
  // Who answers for it. Error: it is in no list; in words, what to write where.
  Result<std::string> owner_of(const Endpoint& target) const;
  uint32_t per_second() const { return options_.per_second; }

 private:
  formats::ReplayOptions options_;
};

// So many attempts a second at one target, evenly spread.
class RateLimit {
 public:
  explicit RateLimit(uint32_t per_second) : pause_ns_(1'000'000'000 / per_second) {}
  // 0: now, and it counts; else how long it is still to wait.
  int64_t wait_ns(const Endpoint& target, int64_t now_ns);

 private:
  const int64_t pause_ns_;
  std::map<Endpoint, int64_t> next_ns_;
};

}  // namespace skep::replay
