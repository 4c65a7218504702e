// What is due when, by number: the cost of a look is that of what is due, however many wait. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace skep::proxy {

// A binary heap that knows where each number stands in it. Numbers are small: an array is as long as the greatest.
class Deadlines {
 public:
  // In the place of what was said of it before. O(log n).
  void set(uint32_t number, int64_t at_ns);
  void clear(uint32_t number);  // nothing, where nothing is set

  // The earliest, where it is due at `now_ns`: cleared, and given.
  std::optional<uint32_t> take_due(int64_t now_ns);
  // The earliest, due or not; and when.
  struct Entry {
    int64_t at_ns = 0;
    uint32_t number = 0;
  };
  std::optional<Entry> first() const;
  size_t size() const { return heap_.size(); }

 private:
  static constexpr uint32_t kNowhere = UINT32_MAX;
  void put(size_t at, const Entry& entry);
  void rise(size_t at);
  void sink(size_t at);

  std::vector<Entry> heap_;
  std::vector<uint32_t> places_;  // number to its place in the heap
};

}  // namespace skep::proxy
