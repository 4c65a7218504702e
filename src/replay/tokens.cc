#include "replay/tokens.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <string_view>

#include "base/ascii.h"

namespace skep::replay {

namespace {

constexpr double kBitsADigit = 3.33;
constexpr double kBitsAChange = 2;    // between digits and letters
constexpr double kBitsARarePair = 5;  // two letters that no word has behind each other
constexpr double kBitsACase = 3;      // a capital behind a small letter
constexpr double kNonceBits = 40;
constexpr size_t kNonceBytes = 8;

// What may follow a letter in words of English and of protocols.
constexpr std::array<std::string_view, 26> kFollowers = {"bcdefghiklmnprstuvwxyz",
                                                         "abcdeijlmorstuy",
                                                         "acehiklopqrstuy",
                                                         "abdefghilmnorstuvwy",
                                                         "abcdefghiklmnopqrstuvwxyz",
                                                         "aefilorstuy",
                                                         "aeghilnorstuy",
                                                         "abdeilmnorstuwy",
                                                         "abcdefgklmnopqrstuvxz",
                                                         "aeopsu",
                                                         "aeilnosuy",
                                                         "abcdefgiklmnoprstuvwy",
                                                         "abdeilmnopstuy",
                                                         "acdefghijklnorstuvwxy",
                                                         "abcdefghijklmnoprstuvwxy",
                                                         "acdefhilmnoprstuwy",
                                                         "lu",
                                                         "abcdefghiklmnoprstuvwy",
                                                         "abcdefghiklmnopqrstuvwy",
                                                         "acefghilmnoprstuvwxy",
                                                         "abcdefgiklmnoprstxyz",
                                                         "aeiosu",
                                                         "adehilnorsw",
                                                         "acefimoptuy",
                                                         "abcdeilmnoprstw",
                                                         "aeiloyz"};

bool is_letter(uint8_t c) {
  return is_word(c) && !is_digit(c);
}

bool is_small(uint8_t c) {
  return c >= 'a' && c <= 'z';
}

double bits_between(uint8_t before, uint8_t c) {
  if (!is_word(before) || !is_word(c)) return 0;
  if (is_letter(before) != is_letter(c)) return kBitsAChange;
  if (!is_letter(c)) return 0;
  double bits = is_small(before) && !is_small(c) ? kBitsACase : 0;
  const std::string_view followers = kFollowers[static_cast<size_t>(lower(before) - 'a')];
  if (followers.find(static_cast<char>(lower(c))) == std::string_view::npos) bits += kBitsARarePair;
  return bits;
}

bool is_year(ByteView text) {
  return text.size() == 4 && (as_text(text).starts_with("19") || as_text(text).starts_with("20"));
}

}  // namespace

bool is_text(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t c) { return is_text(c); });
}

double bits_of_chance(ByteView text) {
  if (is_year(text)) return 0;
  double bits = 0;
  uint8_t before = 0;
  for (const uint8_t c : text) {
    if (is_digit(c)) bits += kBitsADigit;
    bits += bits_between(before, c);
    before = c;
  }
  return bits;
}

bool is_unguessable_binary(ByteView bytes) {
  std::bitset<256> seen;
  for (const uint8_t c : bytes) seen.set(c);
  seen.reset(0x00);
  seen.reset(0xFF);
  return seen.count() >= 3;
}

bool is_nonce(ByteView bytes) {
  if (is_text(bytes)) return bits_of_chance(bytes) >= kNonceBits;
  std::bitset<256> seen;
  for (const uint8_t c : bytes) seen.set(c);
  const auto no_text =
      static_cast<size_t>(std::count_if(bytes.begin(), bytes.end(), [](uint8_t c) { return !is_text(c); }));
  return bytes.size() >= kNonceBytes && 4 * seen.count() >= 3 * std::min<size_t>(bytes.size(), 64) &&
         4 * no_text >= bytes.size();
}

}  // namespace skep::replay
