// A message as it reads under each form: its bytes, and what they mean where they are percent-encoded, hex and so on;
// each byte knows where in the message it was written. Pure; memory is linear in the message's size.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "replay/plan.h"

namespace skep::replay {

// A run of `Views::bytes` that stands together in a message.
struct Segment {
  uint32_t message = 0;
  Form form = Form::identity;
  uint32_t begin = 0, end = 0;
  uint32_t origins = 0;  // where its bytes' origins begin; the raw bytes have none, for they are their own
};

// Segments of many messages, one behind the other. Behind each segment stands a byte that belongs to none.
class Views {
 public:
  void add(uint32_t message, ByteView bytes);
  void clear();
  void reserve(size_t message_bytes);

  const std::vector<Segment>& segments() const { return segments_; }
  const Bytes& bytes() const { return bytes_; }
  ByteView view(uint32_t begin, uint32_t end) const { return ByteView(bytes_).subspan(begin, end - begin); }
  // The bytes of the message that say [begin, end).
  Place place(const Segment& segment, uint32_t begin, uint32_t end) const {
    const uint32_t from = origin(segment, begin);
    return {segment.message, from, origin(segment, end) - from};
  }

 private:
  void raw(ByteView bytes);
  void escaped(ByteView bytes, Form form);
  void unescape(ByteView bytes, size_t at, size_t end, Form form);
  void words(ByteView bytes);
  void wide(ByteView bytes);
  void word(ByteView bytes, uint32_t begin, uint32_t end);
  void decoded(ByteView bytes, uint32_t begin, uint32_t end, Form form);
  void put(uint8_t byte, size_t origin) {
    bytes_.push_back(byte);
    origins_.push_back(static_cast<uint32_t>(origin));
  }
  void open(Form form);
  void close(size_t origin_end);
  void drop();
  uint32_t origin(const Segment& segment, uint32_t at) const {
    return segment.form == Form::identity ? at - segment.begin : origins_[segment.origins + (at - segment.begin)];
  }

  uint32_t message_ = 0;
  Bytes bytes_;
  std::vector<uint32_t> origins_;  // of each byte that was decoded; behind those of a segment: where it ended
  Segment open_;                   // the one that is being written
  std::vector<Segment> segments_;
};

}  // namespace skep::replay
