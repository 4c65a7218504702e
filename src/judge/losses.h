// Losses: records that the kernel could not store, seen by the gaps in their ring's numbers, and the flows that lived
// meanwhile: whose logs lack something. Pure; the time is passed in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "model/kernel_event.h"

namespace skep::judge {

// One ring's numbers. Two CPUs may store their records in the other order than they took their numbers, so that a
// number counts as lost once it has not come for a while; a gap that all CPUs together could not make is one at once.
class RingNumbers {
 public:
  static constexpr int64_t kPatienceNs = 200'000'000;
  static constexpr uint64_t kOutOfOrderMax = 256;  // numbers that were taken and whose records are not stored yet
  static constexpr size_t kGapsMax = 1024;         // beyond it the oldest counts as lost at once

  struct Loss {
    uint64_t records = 0;
    uint64_t from_ns = 0;  // boot time of the records around
    uint64_t to_ns = 0;
  };
  void take(const skep_record& record, int64_t now_ns);
  // What has become certain; all of it as one. 0 records: nothing.
  Loss lost(int64_t now_ns);
  uint64_t total() const { return total_; }

 private:
  struct Gap {
    uint64_t last;  // number; the first is the key
    uint64_t from_ns, to_ns;
    int64_t noticed_ns;
  };
  void came_late(uint64_t number);

  uint64_t last_ = 0;  // 0: none yet
  uint64_t last_time_ns_ = 0;
  std::map<uint64_t, Gap> gaps_;
  uint64_t total_ = 0;
};

// When flows were open, by boot time.
class FlowSpans {
 public:
  static constexpr size_t kOpenMax = 65536;   // beyond it the oldest is forgotten
  static constexpr size_t kClosedMax = 4096;  // the last ones that have closed

  void take(const skep_flow_record& record);
  // The flows that were open at some time between the two.
  std::vector<skep_flow> between(uint64_t from_ns, uint64_t to_ns) const;

 private:
  struct Span {
    skep_flow flow;
    uint64_t closed_ns;
  };
  std::map<uint64_t, skep_flow> open_;  // by serial
  std::deque<Span> closed_;
};

}  // namespace skep::judge
