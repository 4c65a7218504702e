// Frames: a 4-byte big-endian length, then one protobuf message (docs/formats/control-channel.md). Pure; one thread.
#pragma once

#include <google/protobuf/message_lite.h>

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/control.pb.h"

namespace skep::wire {

constexpr size_t kFrameBytesMax = 64 * 1024;
constexpr size_t kLocalFrameBytesMax = 8 * 1024 * 1024;  // signature files travel whole

// Limits within a frame, checked once it was parsed.
constexpr size_t kTextBytesMax = 4096;
constexpr int kLineageMax = 64;
constexpr int kStepsMax = 16;
constexpr int kCandidatesMax = 256;
constexpr int kServicesMax = 64;
constexpr int kRegistersMax = 18;
constexpr size_t kChunkBytesMax = 48 * 1024;         // of a copied file
constexpr uint64_t kFileBytesMax = 8 * 1024 * 1024;  // of its copy

class FrameReader {
 public:
  explicit FrameReader(size_t frame_bytes_max = kFrameBytesMax) : frame_bytes_max_(frame_bytes_max) {}

  void feed(ByteView bytes) { buffer_.insert(buffer_.end(), bytes.begin(), bytes.end()); }
  // The next whole frame's content; nullopt: not here yet. An oversized length is an error from which there is no way
  // back.
  Result<std::optional<Bytes>> next();
  size_t waiting() const { return buffer_.size() - taken_; }

 private:
  const size_t frame_bytes_max_;
  Bytes buffer_;
  size_t taken_ = 0;
};

Bytes encode_frame(const google::protobuf::MessageLite& message);

// The frame that `content` holds, within the limits above.
Result<Frame> parse_frame(ByteView content);

}  // namespace skep::wire
