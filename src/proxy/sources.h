// Where sessions come from: how many are live from each source, and how fast it may begin new ones. Bounded: of the
// sources without a live session the one whose rate has recovered most is forgotten first, so that no crowd of others
// makes a flooder be forgotten. Pure: time is passed in; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "model/session.h"
#include "proxy/deadlines.h"

namespace skep::proxy {

// So many a second, and `burst_ns` worth of them at once after a rest. Kept as the time at which it is as fresh as new
// (the generic cell rate algorithm, ITU-T I.371): no time before the present means that nothing was taken.
class Rate {
 public:
  Rate(uint32_t per_second, int64_t burst_ns);
  bool limited() const { return interval_ns_ > 0; }
  // Takes one of it, where there is one.
  bool take(int64_t& fresh_at_ns, int64_t now_ns) const;

 private:
  int64_t interval_ns_ = 0;  // between two
  int64_t burst_ns_ = 0;
};

// An address without what the source can choose freely: its first bits alone, by the family.
using SourceKey = std::array<uint8_t, 16>;
SourceKey source_key(const Endpoint& source, unsigned v6_prefix, unsigned v4_prefix = 32);

class Sources {
 public:
  struct Source {
    uint32_t live = 0;
    int64_t fresh_at_ns = 0;  // of its rate
  };
  // At most `rested_max` without a live session. `seed`: so that nobody can choose addresses that collide.
  Sources(size_t rested_max, uint64_t seed) : rested_max_(rested_max), by_key_(0, Hash{seed}) {}

  // Its number, to which it answers until it is released as often as it was found.
  uint32_t find(const SourceKey& key, int64_t now_ns);
  Source& at(uint32_t number) { return places_[number].source; }
  // Without a live session it is kept only while its rate is not fresh.
  void release(uint32_t number, int64_t now_ns);

  size_t known() const { return by_key_.size(); }
  uint64_t forgotten_early() const { return forgotten_early_; }  // whose rate was not fresh yet

 private:
  struct Hash {
    uint64_t seed;
    size_t operator()(const SourceKey& key) const;
  };
  struct Place {
    SourceKey key{};
    Source source;
  };
  void forget(uint32_t number);
  void forget_rested(int64_t now_ns);

  const size_t rested_max_;
  std::unordered_map<SourceKey, uint32_t, Hash> by_key_;
  std::vector<Place> places_;
  std::vector<uint32_t> free_;
  Deadlines rested_;  // without a live session, by when they are fresh
  uint64_t forgotten_early_ = 0;
};

}  // namespace skep::proxy
