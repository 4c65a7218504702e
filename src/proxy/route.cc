#include "proxy/route.h"

#include <cstring>
#include <utility>

namespace skep::proxy {

// Whoever chooses addresses to collide here fills a table that is bounded, of entries that he has to come for by TCP,
// or that udp_sessions_max and udp_timeout_ms allow him.
size_t Route::Hash::operator()(const Address& address) const {
  uint64_t halves[2];
  std::memcpy(halves, address.data(), sizeof halves);
  uint64_t mixed = (halves[0] ^ 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ mixed >> 31 ^ halves[1]) * 0x94d049bb133111eb;
  return mixed ^ mixed >> 29;
}

size_t Route::choose(const Endpoint& source, int64_t now_ns) {
  if (baits_.size() == 1) return 0;
  auto bait = remembered(source, now_ns);
  if (!bait || !asked(*bait, now_ns)) bait = next_in_turn(now_ns);
  // Where all are left out the next one may as well be asked.
  if (!bait) bait = std::exchange(next_, (next_ + 1) % baits_.size());
  remember(source, *bait, now_ns);
  return *bait;
}

std::optional<size_t> Route::another(const Endpoint& source, size_t refused, int64_t now_ns) {
  if (baits_.size() == 1) return std::nullopt;
  const auto bait = next_in_turn(now_ns);
  if (!bait || *bait == refused) return std::nullopt;
  remember(source, *bait, now_ns);
  return bait;
}

bool Route::failed(size_t bait, int64_t now_ns) {
  Bait& at = baits_[bait];
  ++at.failures;
  at.retry_at_ns = now_ns + options_.retry_ns;
  return !std::exchange(at.failing, true);
}

bool Route::answered(size_t bait) {
  return std::exchange(baits_[bait].failing, false);
}

bool Route::asked(size_t bait, int64_t now_ns) const {
  return !baits_[bait].failing || now_ns >= baits_[bait].retry_at_ns;
}

std::optional<size_t> Route::next_in_turn(int64_t now_ns) {
  for (size_t i = 0; i < baits_.size(); ++i) {
    const size_t bait = std::exchange(next_, (next_ + 1) % baits_.size());
    if (asked(bait, now_ns)) return bait;
  }
  return std::nullopt;
}

std::optional<size_t> Route::remembered(const Endpoint& source, int64_t now_ns) const {
  const Visit* const visit = visits_.find(source.address);
  if (visit == nullptr || now_ns - visit->last_ns > options_.sticky_ns) return std::nullopt;
  return visit->bait;
}

void Route::remember(const Endpoint& source, size_t bait, int64_t now_ns) {
  visits_.touch(source.address) = {bait, now_ns};
}

}  // namespace skep::proxy
