#include "payload/host_bits.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace skep::payload {

using Scope = formats::RuleBit::Scope;

size_t HostBits::Hash::operator()(const Key& key) const {
  const std::string_view text(reinterpret_cast<const char*>(key.addresses.data()), key.addresses.size());
  return std::hash<std::string_view>()(text) ^ static_cast<size_t>(key.name);
}

HostBits::Key HostBits::key_of(uint64_t name, Scope scope, const Flow& flow) {
  Key key{name, {}};
  if (scope != Scope::destination)
    std::copy(flow.source.address.begin(), flow.source.address.end(), key.addresses.begin());
  if (scope != Scope::source)
    std::copy(flow.destination.address.begin(), flow.destination.address.end(), key.addresses.begin() + 16);
  return key;
}

bool HostBits::Halves::has(const Key& key, int64_t now_ns) const {
  for (const Bits* bits : {&young, &old}) {
    const auto found = bits->find(key);
    if (found != bits->end()) return found->second > now_ns;
  }
  return false;
}

bool HostBits::is_set(uint64_t name, Scope scope, const Flow& flow, int64_t now_ns) {
  return halves_->has(key_of(name, scope, flow), now_ns);
}

bool HostBits::set(uint64_t name, Scope scope, const Flow& flow, int64_t now_ns, uint32_t expire_s) {
  const Key key = key_of(name, scope, flow);
  auto halves = halves_.hold();
  const bool before = halves->has(key, now_ns);
  if (halves->young.size() >= kBitsMax / 2 && !halves->young.contains(key))
    halves->old = std::exchange(halves->young, {});
  halves->young[key] = now_ns + int64_t{expire_s == 0 ? kExpireS : expire_s} * 1'000'000'000;
  return !before;
}

bool HostBits::unset(uint64_t name, Scope scope, const Flow& flow, int64_t now_ns) {
  const Key key = key_of(name, scope, flow);
  auto halves = halves_.hold();
  const bool before = halves->has(key, now_ns);
  halves->young.erase(key);
  halves->old.erase(key);
  return before;
}

size_t HostBits::size() {
  auto halves = halves_.hold();
  return halves->young.size() + halves->old.size();
}

}  // namespace skep::payload
