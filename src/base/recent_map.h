// RecentMap: a table of a bounded size that forgets what has not been touched for longest, in two halves by age: when
// the young one is full, the old one is forgotten as a whole. One thread at a time.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <utility>

namespace skep {

template <typename Key, typename Value, typename Hash>
class RecentMap {
 public:
  explicit RecentMap(size_t most) : most_(most) {}

  // nullptr: it is not there, or forgotten. It becomes no younger by that.
  const Value* find(const Key& key) const {
    for (const Half* half : {&young_, &old_}) {
      const auto found = half->find(key);
      if (found != half->end()) return &found->second;
    }
    return nullptr;
  }
  // It is young from now on; one that is not there is made.
  Value& touch(const Key& key) {
    if (const auto found = young_.find(key); found != young_.end()) return found->second;
    if (young_.size() >= (most_ + 1) / 2) old_ = std::exchange(young_, {});
    auto before = old_.extract(key);
    return before ? young_.insert(std::move(before)).position->second : young_[key];
  }
  void erase(const Key& key) {
    young_.erase(key);
    old_.erase(key);
  }
  size_t size() const { return young_.size() + old_.size(); }

 private:
  using Half = std::unordered_map<Key, Value, Hash>;
  const size_t most_;
  Half young_;
  Half old_;
};

}  // namespace skep
