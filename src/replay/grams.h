// Where four bytes stand: the index that echoes are looked up in. Memory and time are linear, whatever the bytes are:
// of equal ones only the newest few are looked at. One thread.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

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

// A table whose places nobody checks: each is a hash cut to its size, which is a power of two. Zeroes at first, for
// which the kernel has no memory before something is written there. A large one is looked into all over, so that it
// asks for large pages (an eighth of the time that planning takes).
template <typename T>
class HashTable {
 public:
  explicit HashTable(size_t places) : mask_(std::bit_ceil(places) - 1), places_(zeroes(bytes()), Unmap{bytes()}) {}
  size_t size() const { return mask_ + 1; }
  T& at(size_t hash) { return places_.get()[hash & mask_]; }
  const T& at(size_t hash) const { return places_.get()[hash & mask_]; }
  // Twice as many; each keeps its number.
  void widen() {
    HashTable wider(2 * size());
    std::copy_n(places_.get(), size(), wider.places_.get());
    *this = std::move(wider);
  }

 private:
  static_assert(std::is_trivially_copyable_v<T>);
  struct Unmap {
    size_t bytes;
    void operator()(T* places) const { ::munmap(places, bytes); }
  };
  size_t bytes() const { return size() * sizeof(T); }
  static T* zeroes(size_t bytes) {
    void* const made = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) throw std::bad_alloc();
    ::madvise(made, bytes, MADV_HUGEPAGE);  // a kernel without them goes on with small ones
    return static_cast<T*>(made);
  }
  size_t mask_;
  std::unique_ptr<T, Unmap> places_;
};

inline uint64_t mixed(uint64_t value) {
  return value * 0x9E3779B97F4A7C15u;
}
inline size_t hash_of(uint64_t value) {
  return mixed(value) >> 24;
}

// A small table of what may be in a large one: most values are not, and are told so from the CPU's cache.
class Sieve {
 public:
  explicit Sieve(size_t expected) : words_(expected / 8 + 16) {}
  void add(uint64_t value) { words_.at(hash_of(value)) |= bit(value); }
  bool may_have(uint64_t value) const { return (words_.at(hash_of(value)) & bit(value)) != 0; }

 private:
  static uint64_t bit(uint64_t value) { return uint64_t{1} << (mixed(value) >> 58); }
  HashTable<uint64_t> words_;
};

// Which grams there are.
class GramSet {
 public:
  explicit GramSet(size_t expected) : sieve_(expected), slots_(expected + expected / 2 + 16) {}
  bool has(uint32_t gram) const { return sieve_.may_have(gram) && (gram == 0 ? zero_ : slots_.at(find(gram)) == gram); }
  // `gram` will be inserted soon.
  void expect(uint32_t gram) const { __builtin_prefetch(&slots_.at(hash_of(gram))); }
  void insert(uint32_t gram) {
    sieve_.add(gram);
    if (gram == 0) {
      zero_ = true;
      return;
    }
    uint32_t& slot = slots_.at(find(gram));
    if (slot == gram) return;
    slot = gram;
    if (4 * ++count_ > 3 * slots_.size()) grow();
  }

 private:
  size_t find(uint32_t gram) const {
    size_t at = hash_of(gram);
    while (slots_.at(at) != 0 && slots_.at(at) != gram) ++at;
    return at;
  }
  void grow() {
    HashTable<uint32_t> old(2 * slots_.size());
    std::swap(old, slots_);
    for (size_t i = 0; i < old.size(); ++i) {
      if (old.at(i) != 0) slots_.at(find(old.at(i))) = old.at(i);
    }
  }
  Sieve sieve_;
  HashTable<uint32_t> slots_;  // 0: free
  size_t count_ = 0;
  bool zero_ = false;
};

// Positions by gram, the newest first.
class GramIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  explicit GramIndex(size_t expected)
      : sieve_(expected), heads_(expected / 2 + 16), next_(expected + expected / 2 + 16) {}
  // `gram` will be inserted, or asked for, soon.
  void expect(uint32_t gram) const { __builtin_prefetch(&heads_.at(hash_of(gram))); }
  void insert(uint32_t gram, uint32_t position) {
    sieve_.add(gram);
    while (position >= next_.size()) next_.widen();
    uint32_t& head = heads_.at(hash_of(gram));
    next_.at(position) = head;
    head = position + 1;
  }
  uint32_t newest(uint32_t gram) const { return sieve_.may_have(gram) ? heads_.at(hash_of(gram)) - 1 : kNone; }
  uint32_t older(uint32_t position) const { return next_.at(position) - 1; }

 private:
  Sieve sieve_;
  HashTable<uint32_t> heads_;  // positions, one more than they are; 0: none
  HashTable<uint32_t> next_;   // likewise, by position
};

}  // namespace skep::replay
