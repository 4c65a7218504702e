// Needle: a content to be searched for, in either case where the rule says so. Horspool's skips: contents are short,
// and what is searched is a window of a few KiB. Values; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/ascii.h"
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

}  // namespace skep::payload
