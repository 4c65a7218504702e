// Bits of addresses (xbits): what a rule that fired in one session leaves for rules in others. Any thread; the time is
// passed in.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

#include "base/guarded.h"
#include "formats/rule.h"
#include "payload/flow.h"

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
  struct Key {
    uint64_t name = 0;
    std::array<uint8_t, 32> addresses{};
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const;
  };
  using Bits = std::unordered_map<Key, int64_t, Hash>;  // when each ends
  // Two halves by age: when the young one is full, the old one is forgotten as a whole.
  struct Halves {
    Bits young;
    Bits old;
    bool has(const Key& key, int64_t now_ns) const;
  };
  static Key key_of(uint64_t name, formats::RuleBit::Scope scope, const Flow& flow);

  Guarded<Halves> halves_;
};

}  // namespace skep::payload
