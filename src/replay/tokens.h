// Which bytes belong together, and which of them nobody could have guessed. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/ascii.h"

namespace skep::replay {

// What a byte can be, looked up: it is asked of every byte of a recording, many times.
enum ByteClass : uint8_t { kText = 1, kWord = 2, kDelimiter = 4, kBase64 = 8 };
inline constexpr std::array<uint8_t, 256> kByteClasses = [] {
  std::array<uint8_t, 256> classes{};
  for (unsigned i = 0; i < classes.size(); ++i) {
    const auto c = static_cast<char>(i);
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if ((i >= ' ' && i < 0x7F) || c == '\t' || c == '\r' || c == '\n') classes[i] |= kText;
    if (letter || (c >= '0' && c <= '9')) classes[i] |= kWord | kBase64;
    if (std::string_view("+/-_").find(c) != std::string_view::npos) classes[i] |= kBase64;
    if (i < ' ' || i == 0x7F || std::string_view(" \"'<>&;,=()[]{}|").find(c) != std::string_view::npos)
      classes[i] |= kDelimiter;
  }
  return classes;
}();

constexpr bool is_text(uint8_t c) {
  return (kByteClasses[c] & kText) != 0;
}
constexpr bool is_word(uint8_t c) {
  return (kByteClasses[c] & kWord) != 0;
}
// Ends a value in any text protocol; of '=' its surroundings say whether it does (`padding` of base64 does not).
constexpr bool is_delimiter(uint8_t c) {
  return (kByteClasses[c] & kDelimiter) != 0;
}
// A letter of base64 or base64url, but for the padding.
constexpr bool is_base64_letter(uint8_t c) {
  return (kByteClasses[c] & kBase64) != 0;
}
bool is_text(ByteView bytes);

// About how many bits of chance are in it: next to none in words of a language, names of protocols and their versions.
double bits_of_chance(ByteView text);
constexpr double kGuessableBits = 13;  // up to them it is taken for a constant; four digits have 13.3
// The same of bytes that are no text.
bool is_unguessable_binary(ByteView bytes);
// At least so much as a challenge has: 8 bytes.
bool is_nonce(ByteView bytes);

}  // namespace skep::replay
