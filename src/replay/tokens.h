// Which bytes belong together, and which of them nobody could have guessed. Pure; any thread.
#pragma once

#include "base/ascii.h"

namespace skep::replay {

constexpr bool is_text(uint8_t c) {
  return (c >= ' ' && c < 0x7F) || c == '\t' || c == '\r' || c == '\n';
}
constexpr bool is_word(uint8_t c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
// Ends a value in any text protocol; of '=' its surroundings say whether it does (`padding` of base64 does not).
constexpr bool is_delimiter(uint8_t c) {
  switch (c) {
    case ' ':
    case '"':
    case '\'':
    case '<':
    case '>':
    case '&':
    case ';':
    case ',':
    case '=':
    case '(':
    case ')':
    case '[':
    case ']':
    case '{':
    case '}':
    case '|':
      return true;
    default:
      return c < ' ' || c == 0x7F;
  }
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
