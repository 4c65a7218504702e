// Bytes in disguise: what percent-encoding, hex, base64 and their like say, and how a value is written in them. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/ascii.h"
#include "base/bytes.h"
#include "replay/plan.h"

namespace skep::replay {

// Of the forms that are no numbers. nullopt: it is not written so.
std::optional<Bytes> read_bytes(Form form, ByteView written);
// In the style of `recorded`: what was escaped there, in which digits, with padding or without.
Bytes write_bytes(Form form, ByteView value, ByteView recorded);

// --- what readers and writers share ---

// A JSON string's escapes behind the backslash, and what each means.
inline constexpr std::string_view kJsonLetters = "\"\\/bfnrt";
inline constexpr std::string_view kJsonMeant = "\"\\/\b\f\n\r\t";

struct CharacterReference {
  std::string_view name;
  char meant;
};
inline constexpr std::array<CharacterReference, 6> kReferences = {
    {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&nbsp;", ' '}}};

// The byte that two hex digits at `at` mean.
inline std::optional<uint8_t> two_digits(ByteView text, size_t at) {
  if (at + 2 > text.size()) return std::nullopt;
  const int high = hex_digit(text[at]), low = hex_digit(text[at + 1]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<uint8_t>(high << 4 | low);
}

}  // namespace skep::replay
