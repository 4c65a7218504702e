#include "proxy/deadlines.h"

namespace skep::proxy {

void Deadlines::set(uint32_t number, int64_t at_ns) {
  if (number >= places_.size()) places_.resize(size_t{number} + 1, kNowhere);
  if (places_[number] == kNowhere) {
    places_[number] = static_cast<uint32_t>(heap_.size());
    heap_.push_back({at_ns, number});
    return rise(heap_.size() - 1);
  }
  const size_t at = places_[number];
  const bool earlier = at_ns < heap_[at].at_ns;
  heap_[at].at_ns = at_ns;
  earlier ? rise(at) : sink(at);
}

void Deadlines::clear(uint32_t number) {
  if (number >= places_.size() || places_[number] == kNowhere) return;
  const size_t at = places_[number];
  places_[number] = kNowhere;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (at == heap_.size()) return;
  put(at, last);
  rise(at);
  sink(places_[last.number]);
}

std::optional<uint32_t> Deadlines::take_due(int64_t now_ns) {
  if (heap_.empty() || heap_.front().at_ns > now_ns) return std::nullopt;
  const uint32_t number = heap_.front().number;
  clear(number);
  return number;
}

std::optional<Deadlines::Entry> Deadlines::first() const {
  return heap_.empty() ? std::nullopt : std::optional(heap_.front());
}

void Deadlines::put(size_t at, const Entry& entry) {
  heap_[at] = entry;
  places_[entry.number] = static_cast<uint32_t>(at);
}

void Deadlines::rise(size_t at) {
  const Entry entry = heap_[at];
  for (; at > 0 && entry.at_ns < heap_[(at - 1) / 2].at_ns; at = (at - 1) / 2) put(at, heap_[(at - 1) / 2]);
  put(at, entry);
}

void Deadlines::sink(size_t at) {
  const Entry entry = heap_[at];
  while (true) {
    size_t child = 2 * at + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1].at_ns < heap_[child].at_ns) ++child;
    if (heap_[child].at_ns >= entry.at_ns) break;
    put(at, heap_[child]);
    at = child;
  }
  put(at, entry);
}

}  // namespace skep::proxy
