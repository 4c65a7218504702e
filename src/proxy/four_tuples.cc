#include "proxy/four_tuples.h"

#include <cstring>

namespace skep::proxy {
namespace {

uint64_t mix(uint64_t value) {  // the finisher of splitmix64
  value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
  value = (value ^ value >> 27) * 0x94d049bb133111eb;
  return value ^ value >> 31;
}

}  // namespace

size_t FourTuples::Hash::operator()(const FourTuple& ends) const {
  uint64_t hash = seed ^ ends.interface;
  for (const Endpoint* end : {&ends.peer, &ends.local}) {
    uint64_t halves[2];
    std::memcpy(halves, end->address.data(), sizeof halves);
    for (const uint64_t half : halves) hash = mix(hash ^ half);
    hash = mix(hash + end->port);
  }
  return hash;
}

std::optional<uint32_t> FourTuples::find(const FourTuple& ends) const {
  const auto found = live_.find(ends);
  if (found == live_.end()) return std::nullopt;
  return found->second;
}

void FourTuples::bar(const FourTuple& ends, int64_t until_ns) {
  const auto [at, fresh] = barred_.insert_or_assign(ends, until_ns);
  if (!fresh) return;
  barred_order_.push_back(ends);
  if (barred_order_.size() > kBarredMax) forget_oldest();
}

bool FourTuples::barred(const FourTuple& ends, int64_t now_ns) {
  while (!barred_order_.empty() && barred_.at(barred_order_.front()) <= now_ns) forget_oldest();
  const auto found = barred_.find(ends);
  return found != barred_.end() && now_ns < found->second;
}

void FourTuples::forget_oldest() {
  barred_.erase(barred_order_.front());
  barred_order_.pop_front();
}

}  // namespace skep::proxy
