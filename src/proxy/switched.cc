#include "proxy/switched.h"

#include <fmt/format.h>

namespace skep::proxy {
namespace {

constexpr int64_t kMillisecond = 1'000'000;

}  // namespace

void Switched::take_options(const formats::ProxyOptions& options) {
  v6_prefix_ = options.source_prefix_v6;
  if (!options.filter) return;
  span_ns_ = options.filter->switch_ms * kMillisecond;
  most_ = options.filter->switched_max;
  v4_prefix_ = options.filter->switch_prefix_v4;
}

SourceKey Switched::key_of(const Endpoint& source) const {
  return source_key(source, v6_prefix_, v4_prefix_);
}

std::string Switched::text_of(const SourceKey& key) const {
  const Endpoint endpoint{key, 0};
  const bool v4 = endpoint.is_v4();
  const unsigned bits = v4 ? v4_prefix_ : v6_prefix_;
  return bits == (v4 ? 32 : 128) ? address_text(endpoint) : fmt::format("{}/{}", address_text(endpoint), bits);
}

bool Switched::add(const Endpoint& source, const RuleHit& hit, int64_t now_ns) {
  const SourceKey key = key_of(source);
  auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    if (by_key_.size() >= most_) forget_passed(now_ns);
    if (by_key_.size() >= most_) {
      ++turned_down_;
      return false;
    }
    found = by_key_.emplace(key, Place{now_ns, 0, {}, 0}).first;
  }
  found->second.until_ns = now_ns + span_ns_;
  found->second.hit = hit;
  return true;
}

bool Switched::takes(const Endpoint& source, int64_t now_ns) {
  const auto found = by_key_.find(key_of(source));
  if (found == by_key_.end()) return false;
  if (now_ns >= found->second.until_ns) {
    by_key_.erase(found);
    return false;
  }
  ++found->second.sessions;
  return true;
}

bool Switched::release(const std::string& source) {
  const auto endpoint =
      parse_endpoint(source.find(':') == std::string::npos ? source.substr(0, source.find('/'))
                                                           : "[" + source.substr(0, source.find('/')) + "]");
  return endpoint && by_key_.erase(key_of(*endpoint)) > 0;
}

std::vector<Switched::Entry> Switched::list(int64_t now_ns) {
  forget_passed(now_ns);
  std::vector<Entry> entries;
  for (const auto& [key, place] : by_key_)
    entries.push_back({text_of(key), place.since_ns, place.until_ns, place.hit, place.sessions});
  return entries;
}

void Switched::forget_passed(int64_t now_ns) {
  std::erase_if(by_key_, [&](const auto& each) { return now_ns >= each.second.until_ns; });
}

}  // namespace skep::proxy
