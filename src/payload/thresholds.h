// How often a rule is said: Suricata's threshold and detection_filter. What is known stays known, however seldom it is
// to be said: who suppresses asks nothing here. One thread at a time; the time is passed in.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

#include "payload/scanner.h"

namespace skep::payload {

class Thresholds {
 public:
  static constexpr size_t kTrackedMax = 65'536;  // rules and addresses; beyond it the ones longest unseen are forgotten

  // The rule has fired. True: it is to be said.
  bool say(const formats::Rule& rule, const Flow& flow, int64_t time_ns);
  size_t tracked() const { return young_.size() + old_.size(); }

 private:
  struct Key {
    uint64_t rule = 0;  // gid and sid
    std::array<uint8_t, 32> addresses{};
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const;
  };
  struct Period {
    int64_t began_ns = 0;
    uint32_t count = 0;
  };
  using Periods = std::unordered_map<Key, Period, Hash>;
  Period& period(const Key& key);

  // Two halves by age: when the young one is full, the old one is forgotten as a whole.
  Periods young_;
  Periods old_;
};

}  // namespace skep::payload
