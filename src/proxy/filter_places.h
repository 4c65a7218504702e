// What the filter has only so many of, for all shards together: whole samples of a rule a day, attackers that are kept
// in the tarpit.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <utility>

#include "base/guarded.h"
#include "payload/host_bits.h"

namespace skep::proxy {

// Pure: the day is passed in. One thread at a time.
class DailySamples {
 public:
  static constexpr size_t kRulesMax = 65'536;  // beyond it there is none
  // True: a session of this rule is kept whole.
  bool take(uint32_t gid, uint32_t sid, int64_t day, uint32_t most) {
    if (day != day_) taken_.clear();
    day_ = day;
    if (taken_.size() >= kRulesMax && !taken_.contains({gid, sid})) return false;
    uint32_t& taken = taken_[{gid, sid}];
    return taken < most && ++taken > 0;
  }

 private:
  int64_t day_ = 0;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> taken_;
};

// Any thread.
class Tarpit {
 public:
  // One place in it, given back at the end of its life.
  class Place {
   public:
    Place() = default;
    explicit Place(Tarpit& of) : of_(&of) {}
    Place(Place&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(of_, other.of_);
      return *this;
    }
    ~Place() {
      if (of_ != nullptr) --of_->taken_;
    }
    explicit operator bool() const { return of_ != nullptr; }

   private:
    Tarpit* of_ = nullptr;
  };
  // None where so many are taken.
  Place take(uint32_t most) {
    if (++taken_ <= most) return Place(*this);
    --taken_;
    return Place();
  }
  uint32_t taken() const { return taken_; }

 private:
  std::atomic<uint32_t> taken_{0};
};

struct FilterPlaces {
  Guarded<DailySamples> samples;
  Tarpit tarpit;
  payload::HostBits hosts;  // what the rules of one session leave for those of others
};

}  // namespace skep::proxy
