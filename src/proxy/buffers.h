// What all sessions together hold of bytes that somebody has not taken yet. Within the bound a session reads as much as
// it likes; beyond it, in pieces so small that none stands still and none takes much: at most kPieceBytes a direction
// more. Pure; one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace skep::proxy {

class Buffers {
 public:
  static constexpr size_t kPieceBytes = 4096;
  explicit Buffers(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  // How much of `wanted` may be read at once for a direction that holds `holding` already.
  size_t readable(size_t wanted, size_t holding) const {
    const uint64_t left = bytes_max_ > held_ ? bytes_max_ - held_ : 0;
    const uint64_t piece = kPieceBytes > holding ? kPieceBytes - holding : 0;
    return std::min<uint64_t>(wanted, std::max(left, piece));
  }
  void changed(size_t from_bytes, size_t to_bytes) {
    held_ = held_ - from_bytes + to_bytes;
    most_held_ = std::max(most_held_, held_);
  }
  uint64_t held() const { return held_; }
  uint64_t most_held() const { return most_held_; }

 private:
  const uint64_t bytes_max_;
  uint64_t held_ = 0;
  uint64_t most_held_ = 0;
};

}  // namespace skep::proxy
