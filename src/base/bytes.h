// Bytes in and out: spans, little- and big-endian fields, and a reader that never reads past its end.
// A reader that ran out stays failed (`ok()` is false) and yields zeroes, so that a parser checks once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace skep {

using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class ByteWriter {
 public:
  explicit ByteWriter(Bytes& out) : out_(out) {}
  template <typename T>
  void le(T value) {
    static_assert(std::is_integral_v<T>);
    uint8_t field[sizeof(T)];  // at once: a byte after the other each looks for room
    for (size_t i = 0; i < sizeof(T); ++i) field[i] = static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i));
    raw(ByteView(field));
  }
  template <typename T>
  void be(T value) {
    static_assert(std::is_integral_v<T>);
    for (size_t i = sizeof(T); i-- > 0;) out_.push_back(static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i)));
  }
  void raw(ByteView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void raw(std::string_view text) { raw(as_bytes(text)); }
  void zeroes(size_t count) { out_.insert(out_.end(), count, 0); }
  size_t size() const { return out_.size(); }

 private:
  Bytes& out_;
};

class ByteReader {
 public:
  explicit ByteReader(ByteView in) : in_(in) {}
  template <typename T>
  T le() {
    const ByteView field = raw(sizeof(T));
    uint64_t value = 0;
    for (size_t i = field.size(); i-- > 0;) value = value << 8 | field[i];
    return static_cast<T>(value);
  }
  template <typename T>
  T be() {
    uint64_t value = 0;
    for (const uint8_t byte : raw(sizeof(T))) value = value << 8 | byte;
    return static_cast<T>(value);
  }
  // The next `count` bytes, or none (and failed) where fewer are left.
  ByteView raw(size_t count) {
    if (count > in_.size()) {
      ok_ = false;
      in_ = {};
      return {};
    }
    const ByteView field = in_.first(count);
    in_ = in_.subspan(count);
    return field;
  }
  size_t left() const { return in_.size(); }
  bool ok() const { return ok_; }

 private:
  ByteView in_;
  bool ok_ = true;
};

// IEEE 802.3, as zlib's crc32(); `before`: that of the bytes which stand before these.
uint32_t crc32(ByteView bytes, uint32_t before = 0);
// As memcpy, for what this CPU will not look at again soon: what is large does not push everything else out of its
// cache.
void copy_past_cache(uint8_t* to, ByteView from);
std::string hex(ByteView bytes);

}  // namespace skep
