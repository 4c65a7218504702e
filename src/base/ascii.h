// Characters as protocols have them, whatever the locale. Functions of values; any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace skep {

constexpr bool is_space(uint8_t byte) {
  return byte == ' ' || (byte >= '\t' && byte <= '\r');
}
constexpr bool is_digit(uint8_t byte) {
  return byte >= '0' && byte <= '9';
}
constexpr uint8_t lower(uint8_t byte) {
  return byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
}
constexpr uint8_t upper(uint8_t byte) {
  return byte >= 'a' && byte <= 'z' ? byte - ('a' - 'A') : byte;
}
// `word` is in lower case.
constexpr bool same_letters(ByteView bytes, std::string_view word) {
  if (bytes.size() != word.size()) return false;
  for (size_t i = 0; i < word.size(); ++i) {
    if (lower(bytes[i]) != static_cast<uint8_t>(word[i])) return false;
  }
  return true;
}
// -1: it is none.
constexpr int hex_digit(uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const uint8_t letter = lower(byte);
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

}  // namespace skep
