// Choices out of any bytes: for tests that make their cases, and for fuzz targets, of which the bytes are led by
// coverage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>

namespace skep {

// Choices out of bytes; once they are used up, always the first.
class Choices {
 public:
  explicit Choices(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  size_t below(size_t count) {
    if (bytes_.empty() || count < 2) return 0;
    const size_t chosen = bytes_[0] % count;
    bytes_ = bytes_.subspan(1);
    return chosen;
  }
  bool once_in(size_t count) { return below(count) == count - 1; }
  template <typename List>
  auto of(const List& list) {
    return *(std::begin(list) + static_cast<std::ptrdiff_t>(below(std::size(list))));
  }
  bool none_left() const { return bytes_.empty(); }

 private:
  std::span<const uint8_t> bytes_;
};

}  // namespace skep
