// What all sessions together hold of bytes that somebody has not taken yet. Within the bound a session reads as much as
// it likes; beyond it, in pieces so small that none stands still and none takes much: at most kPieceBytes a direction
// more. Of all shards: what they do at the same moment may pass the bound by a read each.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace skep::proxy {

class Buffers {
 public:
  static constexpr size_t kPieceBytes = 4096;
  explicit Buffers(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  // How much of `wanted` may be read at once for a direction that holds `holding` already.
  size_t readable(size_t wanted, size_t holding) const {
    const uint64_t now = held();
    const uint64_t left = bytes_max_ > now ? bytes_max_ - now : 0;
    const uint64_t piece = kPieceBytes > holding ? kPieceBytes - holding : 0;
    return std::min<uint64_t>(wanted, std::max(left, piece));
  }
  void changed(size_t from_bytes, size_t to_bytes) {
    if (from_bytes == to_bytes) return;
    const uint64_t now = held_.fetch_add(to_bytes - from_bytes, std::memory_order_relaxed) + to_bytes - from_bytes;
    uint64_t most = most_held();
    while (now > most && !most_held_.compare_exchange_weak(most, now, std::memory_order_relaxed)) {
    }
  }
  uint64_t held() const { return held_.load(std::memory_order_relaxed); }
  uint64_t most_held() const { return most_held_.load(std::memory_order_relaxed); }

 private:
  const uint64_t bytes_max_;
  std::atomic<uint64_t> held_{0};
  std::atomic<uint64_t> most_held_{0};
};

}  // namespace skep::proxy
