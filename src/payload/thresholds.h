// How often a rule is said: Suricata's threshold and detection_filter. What is known stays known, however seldom it is
// to be said: who suppresses asks nothing here. One thread at a time; the time is passed in.
#pragma once

#include <cstdint>

#include "base/recent_map.h"
#include "formats/rule.h"
#include "payload/flow_key.h"

namespace skep::payload {

class Thresholds {
 public:
  static constexpr size_t kTrackedMax = 65'536;  // rules and addresses; beyond it the ones longest unseen are forgotten

  // The rule has fired. True: it is to be said.
  bool say(const formats::Rule& rule, const Flow& flow, int64_t time_ns);
  size_t tracked() const { return periods_.size(); }

 private:
  struct Period {
    int64_t began_ns = 0;
    uint32_t count = 0;
  };
  RecentMap<FlowKey, Period, FlowKey::Hash> periods_{kTrackedMax};
};

}  // namespace skep::payload
