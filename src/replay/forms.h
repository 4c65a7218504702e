// Values as they are written in messages: bytes in disguise, or numbers. Pure; any thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <variant>

#include "base/bytes.h"
#include "replay/plan.h"

namespace skep::replay {

using Value = std::variant<Bytes, uint64_t>;

bool is_number(Form form);
// Of an integer in so many bytes; 0: of any other form.
constexpr size_t integer_bytes(Form form) {
  switch (form) {
    case Form::u8:
      return 1;
    case Form::le16:
    case Form::be16:
      return 2;
    case Form::le32:
    case Form::be32:
      return 4;
    case Form::le64:
    case Form::be64:
      return 8;
    default:
      return 0;
  }
}
// The integer of integer_bytes(form) bytes at `bytes`.
inline uint64_t integer_at(Form form, const uint8_t* bytes) {
  const auto little = [&]<typename Int>(Int value) {  // this machine's own order
    std::memcpy(&value, bytes, sizeof value);
    return value;
  };
  switch (form) {
    case Form::u8:
      return bytes[0];
    case Form::le16:
      return little(uint16_t{});
    case Form::be16:
      return __builtin_bswap16(little(uint16_t{}));
    case Form::le32:
      return little(uint32_t{});
    case Form::be32:
      return __builtin_bswap32(little(uint32_t{}));
    case Form::le64:
      return little(uint64_t{});
    case Form::be64:
      return __builtin_bswap64(little(uint64_t{}));
    default:
      return 0;
  }
}
// nullopt: it is not written in that form.
std::optional<Value> read_value(Form form, ByteView written);
// In the style of `recorded` (which bytes are escaped, case of digits, padding, leading zeroes), which is what stood
// there. nullopt: the form cannot hold the value.
std::optional<Bytes> write_value(Form form, const Value& value, ByteView recorded);

}  // namespace skep::replay
