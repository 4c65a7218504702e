// Needle: a content to be searched for, in either case where the rule says so. Horspool's skips: contents are short,
// and what is searched is a window of a few KiB. Values; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace skep::payload {

class Needle {
 public:
  static constexpr size_t kNone = SIZE_MAX;

  Needle(std::string_view bytes, bool nocase);
  size_t size() const { return bytes_.size(); }
  // Where it stands first in `in` from `from` on, or kNone.
  size_t find(ByteView in, size_t from = 0) const;
  bool at(ByteView in, size_t place) const;

 private:
  std::string bytes_;  // folded where nocase
  bool nocase_;
  std::array<uint8_t, 256> skip_{};
};

// ASCII's capitals as small letters, all else as it is.
constexpr uint8_t folded(uint8_t byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<uint8_t>(byte + 32) : byte;
}

}  // namespace skep::payload
