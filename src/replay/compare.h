// Two answers to the same message, compared as far as they can be expected to agree. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "replay/player.h"

namespace skep::replay {

// What kind of answer it is, by its first line or byte, in the manner of text protocols: "HTTP 4", "5", "-" of Redis;
// empty where it says none.
std::string status_class(ByteView answer);

// What can be expected of an answer: what was the same, and in the same order, at two attempts that went well, or at
// the one that is known. What is not the same is noise: a clock, a cookie, random bytes.
class Expected {
 public:
  Expected() = default;
  explicit Expected(ByteView answer);
  Expected(ByteView answer, ByteView another);
  // 0 … 1: how much of what can be expected is there; 1 where nothing can.
  double share_in(ByteView answer) const;
  // It is another answer: less than half of that, or of another status (analysis.md A.3).
  bool differs(ByteView answer) const;
  // What of it was in none of these: a service that repeats what it was told says nothing by it.
  Expected without(const std::vector<Bytes>& said) const;

 private:
  std::string status_;
  bool status_steady_ = false;
  std::vector<uint64_t> steady_;  // hashes of tokens
};
// By recorded message. `second` empty: nothing is known of noise.
std::vector<Expected> expected_of(const std::vector<Bytes>& first, const std::vector<Bytes>& second);

// The first server message before `trigger` that diverges.
std::optional<uint32_t> divergence(const Recording& recording, const std::vector<Expected>& expected,
                                   const Attempt& attempt, uint32_t trigger);

}  // namespace skep::replay
