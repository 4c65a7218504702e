#include "proxy/sources.h"

#include <algorithm>
#include <cstring>

#include "base/result.h"

namespace skep::proxy {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr unsigned kMappedBits = 96;  // before an IPv4 address

uint64_t mix(uint64_t value) {  // the finisher of splitmix64
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

}  // namespace

Rate::Rate(uint32_t per_second, int64_t burst_ns)
    : interval_ns_(per_second == 0 ? 0 : std::max<int64_t>(1, kSecond / per_second)),
      burst_ns_(std::max(burst_ns, interval_ns_)) {}

bool Rate::take(int64_t& fresh_at_ns, int64_t now_ns) const {
  if (!limited()) return true;
  const int64_t next = std::max(fresh_at_ns, now_ns) + interval_ns_;
  if (next - now_ns > burst_ns_) return false;
  fresh_at_ns = next;
  return true;
}

SourceKey source_key(const Endpoint& source, unsigned v6_prefix, unsigned v4_prefix) {
  SourceKey key = source.address;
  const unsigned prefix = source.is_v4() ? kMappedBits + v4_prefix : v6_prefix;
  for (unsigned i = 0; i < key.size(); ++i) {
    const unsigned bits = std::clamp<int>(static_cast<int>(prefix) - static_cast<int>(8 * i), 0, 8);
    key[i] = static_cast<uint8_t>(key[i] & 0xff00 >> bits);
  }
  return key;
}

size_t Sources::Hash::operator()(const SourceKey& key) const {
  uint64_t halves[2];
  std::memcpy(halves, key.data(), sizeof halves);
  return mix(mix(halves[0] ^ seed) + halves[1]);
}

uint32_t Sources::find(const SourceKey& key, int64_t now_ns) {
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    rested_.clear(found->second);
    ++places_[found->second].source.live;
    return found->second;
  }
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(places_.size()));
    places_.emplace_back();
  }
  const uint32_t number = free_.back();
  free_.pop_back();
  places_[number] = {key, {1, now_ns}};
  by_key_[key] = number;
  return number;
}

void Sources::release(uint32_t number, int64_t now_ns) {
  Source& source = places_[number].source;
  SKEP_CHECK(source.live > 0);
  if (--source.live > 0) return;
  if (source.fresh_at_ns <= now_ns) return forget(number);
  rested_.set(number, source.fresh_at_ns);
  forget_rested(now_ns);
}

void Sources::forget_rested(int64_t now_ns) {
  while (const auto number = rested_.take_due(now_ns)) forget(*number);
  while (rested_.size() > rested_max_) {
    const uint32_t number = rested_.first()->number;
    rested_.clear(number);
    forget(number);
    ++forgotten_early_;
  }
}

void Sources::forget(uint32_t number) {
  by_key_.erase(places_[number].key);
  free_.push_back(number);
}

}  // namespace skep::proxy
