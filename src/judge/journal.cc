#include "judge/journal.h"

#include <unistd.h>

#include "wire/frame.h"

namespace skep::judge {
namespace {

constexpr size_t kLengthBytes = 4;

}  // namespace

std::vector<wire::Frame> Journal::recall() {
  std::vector<wire::Frame> frames;
  wire::FrameReader reader;
  Bytes block(wire::kFrameBytesMax);
  for (size_t at = 0; at < kBytesMax; at += block.size()) {
    const ssize_t got = ::pread(memory_.get(), block.data(), block.size(), static_cast<off_t>(at));
    if (got <= 0) break;
    reader.feed(ByteView(block).first(static_cast<size_t>(got)));
    auto content = reader.next();
    for (; content && *content && !(*content)->empty(); content = reader.next()) {
      auto frame = wire::parse_frame(**content);
      if (frame) frames.push_back(std::move(*frame));
    }
    if (!content || *content) break;  // no frame, or the end
  }
  clear();
  return frames;
}

bool Journal::add(const wire::Frame& frame) {
  Bytes bytes = wire::encode_frame(frame);
  const size_t length = bytes.size();
  bytes.insert(bytes.end(), kLengthBytes, 0);
  if (bytes_ + bytes.size() > kBytesMax) return false;
  const ssize_t put = ::pwrite(memory_.get(), bytes.data(), bytes.size(), static_cast<off_t>(bytes_));
  if (put != static_cast<ssize_t>(bytes.size())) return false;
  bytes_ += length;
  ++frames_;
  return true;
}

void Journal::clear() {
  const char end[kLengthBytes] = {};
  [[maybe_unused]] const ssize_t put = ::pwrite(memory_.get(), end, sizeof end, 0);
  bytes_ = frames_ = 0;
}

}  // namespace skep::judge
