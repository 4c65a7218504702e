// Bits of addresses (xbits): what a rule that fired in one session leaves for rules in others. Any thread; the time is
// passed in.
#pragma once

#include <cstdint>

#include "base/guarded.h"
#include "base/recent_map.h"
#include "formats/rule.h"
#include "payload/flow_key.h"

namespace skep::payload {

class HostBits {
 public:
  static constexpr size_t kBitsMax = 65'536;  // set at once; beyond it the ones set longest ago are forgotten
  static constexpr uint32_t kExpireS = 60;    // where a rule does not say it (Suricata's)

  // `name`: a hash of the bit's name, so that it outlives the rules that speak of it.
  bool is_set(uint64_t name, formats::RuleBit::Scope scope, const Flow& flow, int64_t now_ns);
  // Returns whether that changed it.
  bool set(uint64_t name, formats::RuleBit::Scope scope, const Flow& flow, int64_t now_ns, uint32_t expire_s);
  bool unset(uint64_t name, formats::RuleBit::Scope scope, const Flow& flow, int64_t now_ns);
  size_t size();

 private:
  using Bits = RecentMap<FlowKey, int64_t, FlowKey::Hash>;  // when each ends
  static FlowKey key_of(uint64_t name, formats::RuleBit::Scope scope, const Flow& flow);
  static bool has(const Bits& bits, const FlowKey& key, int64_t now_ns);

  Guarded<Bits> bits_{kBitsMax};
};

}  // namespace skep::payload
