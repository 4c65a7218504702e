// Sight: as much of a stream as rules may look at: what has come of the block of kWindowBytes that is coming, and the
// block before it. Where it begins depends on the place in the stream alone, so that it does not matter how the bytes
// were cut. What is there of them in the caller's memory is not copied before it is left.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/bytes.h"
#include "payload/compiled_rule.h"
#include "payload/evaluate.h"

namespace skep::payload {

class Sight {
 public:
  // A read, of which pieces are taken until none is left; none of them crosses the end of a block.
  void begin(ByteView read) {
    read_ = read;
    taken_ = 0;
  }
  ByteView next() {
    const size_t to_block_end = kWindowBytes - static_cast<size_t>(end_ % kWindowBytes);
    const ByteView piece = read_.subspan(taken_, std::min(to_block_end, read_.size() - taken_));
    if (piece.empty()) return piece;
    const uint64_t block = end_ / kWindowBytes;
    start_ = block == 0 ? 0 : (block - 1) * kWindowBytes;
    const uint64_t read_start = end_ - taken_;
    in_read_ = read_start <= start_;
    if (!in_read_) {
      forget_before(start_);
      held_.insert(held_.end(), piece.begin(), piece.end());
    }
    taken_ += piece.size();
    end_ += piece.size();
    return piece;
  }
  // The read goes.
  void leave() {
    if (in_read_) {
      const ByteView bytes = sight();
      held_.assign(bytes.begin(), bytes.end());
      held_start_ = start_;
      in_read_ = false;
    }
    read_ = {};
    taken_ = 0;
  }

  uint64_t start() const { return start_; }
  uint64_t end() const { return end_; }
  // From `from` on, which is the buffer's beginning; nothing is seen beyond `to`.
  View view(uint64_t from, uint64_t to, bool complete) const {
    const uint64_t begin = std::clamp(from, start_, end_);
    const uint64_t end = std::clamp(to, begin, end_);
    return {sight().subspan(static_cast<size_t>(begin - start_), static_cast<size_t>(end - begin)), begin - from,
            complete};
  }
  size_t bytes_held() const { return held_.capacity(); }

 private:
  ByteView sight() const {
    const auto size = static_cast<size_t>(end_ - start_);
    if (in_read_) return read_.subspan(taken_ - size, size);
    return ByteView(held_).subspan(static_cast<size_t>(start_ - held_start_), size);
  }
  void forget_before(uint64_t place) {
    if (place <= held_start_) return;
    const auto gone = static_cast<std::ptrdiff_t>(std::min<uint64_t>(place - held_start_, held_.size()));
    held_.erase(held_.begin(), held_.begin() + gone);
    held_start_ = place;
  }

  Bytes held_;
  uint64_t held_start_ = 0;
  uint64_t start_ = 0;
  uint64_t end_ = 0;
  ByteView read_;
  size_t taken_ = 0;
  bool in_read_ = false;
};

}  // namespace skep::payload
