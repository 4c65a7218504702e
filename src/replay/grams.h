// Where four bytes stand: the index that echoes are looked up in. Memory and time are linear, whatever the bytes are:
// of equal ones only the newest few are looked at. One thread.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/bytes.h"

namespace skep::replay {

constexpr size_t kGramBytes = 4;
constexpr uint32_t kAhead = 12;  // positions that memory is asked for before they are looked at
constexpr size_t kLookedAt = 8;  // of one chain

inline uint32_t gram_at(const uint8_t* bytes) {
  uint32_t gram = 0;
  std::memcpy(&gram, bytes, kGramBytes);
  return gram;
}
// Four equal bytes tell nothing, and are what a flood is made of.
inline bool tells(uint32_t gram) {
  return gram != std::rotl(gram, 8);
}

// A small table of what may be in a large one: most grams are not, and are told so from the CPU's cache.
class GramSieve {
 public:
  explicit GramSieve(size_t expected) : words_(std::bit_ceil(expected / 8 + 16)) {}
  void add(uint32_t gram) { words_[word(gram)] |= bit(gram); }
  bool may_have(uint32_t gram) const { return (words_[word(gram)] & bit(gram)) != 0; }

 private:
  static uint64_t mixed(uint32_t gram) { return gram * 0x9E3779B97F4A7C15u; }
  size_t word(uint32_t gram) const { return mixed(gram) >> 24 & (words_.size() - 1); }
  static uint64_t bit(uint32_t gram) { return uint64_t{1} << (mixed(gram) >> 58); }
  std::vector<uint64_t> words_;
};

// Which grams there are.
class GramSet {
 public:
  explicit GramSet(size_t expected) : sieve_(expected), slots_(std::bit_ceil(2 * expected + 16)) {}
  bool has(uint32_t gram) const { return sieve_.may_have(gram) && (gram == 0 ? zero_ : slots_[find(gram)] == gram); }
  // `gram` will be inserted soon.
  void expect(uint32_t gram) const { __builtin_prefetch(&slots_[slot(gram)]); }
  void insert(uint32_t gram) {
    sieve_.add(gram);
    if (gram == 0) {
      zero_ = true;
      return;
    }
    uint32_t& slot = slots_[find(gram)];
    if (slot == gram) return;
    slot = gram;
    if (2 * ++count_ > slots_.size()) grow();
  }

 private:
  size_t slot(uint32_t gram) const { return (gram * 0x9E3779B97F4A7C15u >> 24) & (slots_.size() - 1); }
  size_t find(uint32_t gram) const {
    size_t at = slot(gram);
    while (slots_[at] != 0 && slots_[at] != gram) at = (at + 1) & (slots_.size() - 1);
    return at;
  }
  void grow() {
    std::vector<uint32_t> old(2 * slots_.size());
    old.swap(slots_);
    for (const uint32_t gram : old) {
      if (gram != 0) slots_[find(gram)] = gram;
    }
  }
  GramSieve sieve_;
  std::vector<uint32_t> slots_;  // 0: free
  size_t count_ = 0;
  bool zero_ = false;
};

// Positions by gram, the newest first.
class GramIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  explicit GramIndex(size_t expected) : sieve_(expected), heads_(std::bit_ceil(expected + 16), kNone) {
    next_.reserve(2 * expected);
  }
  // `gram` will be inserted, or asked for, soon.
  void expect(uint32_t gram) const { __builtin_prefetch(&heads_[slot(gram)]); }
  void insert(uint32_t gram, uint32_t position) {
    if (position >= next_.size()) next_.resize(std::max<size_t>(position + 1, 2 * next_.size()), kNone);
    sieve_.add(gram);
    uint32_t& head = heads_[slot(gram)];
    next_[position] = head;
    head = position;
  }
  uint32_t newest(uint32_t gram) const { return sieve_.may_have(gram) ? heads_[slot(gram)] : kNone; }
  uint32_t older(uint32_t position) const { return next_[position]; }

 private:
  size_t slot(uint32_t gram) const { return (gram * 0x9E3779B97F4A7C15u >> 24) & (heads_.size() - 1); }
  GramSieve sieve_;
  std::vector<uint32_t> heads_;
  std::vector<uint32_t> next_;  // by position
};

}  // namespace skep::replay
