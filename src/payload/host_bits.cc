#include "payload/host_bits.h"

namespace skep::payload {

using Scope = formats::RuleBit::Scope;

FlowKey HostBits::key_of(uint64_t name, Scope scope, const Flow& flow) {
  return {name, flow, scope != Scope::destination, scope != Scope::source};
}

bool HostBits::has(const Bits& bits, const FlowKey& key, int64_t now_ns) {
  const int64_t* const end_ns = bits.find(key);
  return end_ns != nullptr && *end_ns > now_ns;
}

bool HostBits::is_set(uint64_t name, Scope scope, const Flow& flow, int64_t now_ns) {
  auto bits = bits_.hold();
  return has(*bits, key_of(name, scope, flow), now_ns);
}

bool HostBits::set(uint64_t name, Scope scope, const Flow& flow, int64_t now_ns, uint32_t expire_s) {
  const FlowKey key = key_of(name, scope, flow);
  auto bits = bits_.hold();
  const bool before = has(*bits, key, now_ns);
  bits->touch(key) = now_ns + int64_t{expire_s == 0 ? kExpireS : expire_s} * 1'000'000'000;
  return !before;
}

bool HostBits::unset(uint64_t name, Scope scope, const Flow& flow, int64_t now_ns) {
  const FlowKey key = key_of(name, scope, flow);
  auto bits = bits_.hold();
  const bool before = has(*bits, key, now_ns);
  bits->erase(key);
  return before;
}

size_t HostBits::size() {
  return bits_->size();
}

}  // namespace skep::payload
