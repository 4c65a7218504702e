// Whose a datagram is: the session between two ends, by their addresses and ports. Of a session that was cut the ends
// are barred for a while, so that what is still under way makes no new one. Bounded: live ones are as many as there may
// be sessions, and of the barred the oldest are forgotten first. Pure: the time is passed in. One shard's: what one
// source sends always reaches the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>

#include "model/session.h"

namespace skep::proxy {

struct FourTuple {
  Endpoint peer;
  Endpoint local;
  uint32_t interface = 0;  // of link-local peers, who are somebody else on each
  bool operator==(const FourTuple&) const = default;
};

class FourTuples {
 public:
  static constexpr size_t kBarredMax = 16'384;
  // `seed`: so that nobody can choose addresses that collide, which cost him nothing to forge.
  explicit FourTuples(uint64_t seed) : live_(0, Hash{seed}), barred_(0, Hash{seed}) {}

  std::optional<uint32_t> find(const FourTuple& ends) const;
  void add(const FourTuple& ends, uint32_t slot) { live_[ends] = slot; }
  void remove(const FourTuple& ends) { live_.erase(ends); }

  void bar(const FourTuple& ends, int64_t until_ns);
  bool barred(const FourTuple& ends, int64_t now_ns);
  size_t live() const { return live_.size(); }
  size_t barred_count() const { return barred_.size(); }

 private:
  struct Hash {
    uint64_t seed;
    size_t operator()(const FourTuple& ends) const;
  };
  void forget_oldest();

  std::unordered_map<FourTuple, uint32_t, Hash> live_;
  std::unordered_map<FourTuple, int64_t, Hash> barred_;  // until when
  std::deque<FourTuple> barred_order_;                   // each of barred_ once, in the order in which they came
};

}  // namespace skep::proxy
