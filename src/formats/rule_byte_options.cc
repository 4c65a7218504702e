// byte_test, byte_jump, byte_extract, byte_math, isdataat, base64_decode: options that read numbers out of the bytes.
#include <algorithm>

#include "base/text.h"
#include "formats/rule_reader.h"

namespace skep::formats {
namespace {

constexpr int64_t kNumberBytesMax = 8;    // binary
constexpr int64_t kNumberDigitsMax = 23;  // in digits: the longest octal of 64 bits

// The words that all four share. Nothing where the word is another.
Result<bool> number_word(std::string_view key, std::string_view rest, ByteNumber& number) {
  if (key == "bitmask") {
    const auto mask = rule_number(rest, 1, UINT32_MAX);
    if (!mask) return wrap("bitmask", mask);
    number.bitmask = static_cast<uint32_t>(*mask);
    return true;
  }
  if (!rest.empty()) return false;
  if (key == "relative") return number.relative = true;
  if (key == "little") return number.little_endian = true;
  if (key == "big") return number.little_endian = false, true;
  if (key == "string") {
    if (number.text_base == 0) number.text_base = 10;
    return true;
  }
  if (key == "hex") return number.text_base = 16, true;
  if (key == "dec") return number.text_base = 10, true;
  if (key == "oct") return number.text_base = 8, true;
  return false;
}

Status check_number(const ByteNumber& number, bool string_said) {
  if (number.text_base != 0 && !string_said) return fail("a number's base, and no `string`");
  const int64_t most = number.text_base != 0 ? kNumberDigitsMax : kNumberBytesMax;
  if (number.bytes > most) return fail("a number of {} bytes", number.bytes);
  return {};
}

// Parts behind the fixed ones: `other` takes those that belong to this option alone, and says whether it did.
template <typename Other>
Status read_words(const std::vector<std::string_view>& parts, size_t from, ByteNumber& number, Other other) {
  bool string_said = false;
  for (size_t i = from; i < parts.size(); ++i) {
    const auto [key, rest] = key_and_rest(parts[i]);
    if (key == "string") string_said = true;
    auto known = number_word(key, rest, number);
    if (known && !*known) known = other(key, rest);
    if (!known) return tl::unexpected<Error>(known.error());
    if (!*known) return not_understood(parts[i]);
  }
  return check_number(number, string_said);
}

// A word that is known, and what came of reading it.
Result<bool> known(const Status& read) {
  if (!read) return tl::unexpected<Error>(read.error());
  return true;
}

Result<bool> no_other(std::string_view, std::string_view) {
  return false;
}

Status take_operand(const RuleReader& reader, std::string_view text, int64_t least, int64_t most, RuleNumber& out) {
  auto value = reader.number(text, least, most);
  if (!value) return tl::unexpected<Error>(value.error());
  out = std::move(*value);
  return {};
}

Status read_place(const RuleReader& reader, std::string_view bytes, std::string_view offset, ByteNumber& number) {
  if (Status count = take_number(bytes, 0, kNumberDigitsMax, number.bytes); !count) return count;
  return take_operand(reader, offset, -kRuleOffsetMax, kRuleOffsetMax, number.offset);
}

Status at_least_one_byte(const ByteNumber& number) {
  if (number.bytes == 0) return fail("a number of no bytes");
  return {};
}

Status read_byte_test(RuleReader& reader, const std::string& value) {
  const auto parts = split_value(value);
  if (parts.size() < 4) return fail("wants bytes, comparison, value and offset");
  ByteTest test;
  if (Status place = read_place(reader, parts[0], parts[3], test.number); !place) return place;
  std::string_view comparison = parts[1];
  if (comparison.starts_with('!')) {
    test.negated = true;
    comparison = trim(comparison.substr(1));
  }
  if (comparison.empty() && test.negated) comparison = "=";  // Snort's `!`: not equal
  static constexpr std::array<std::string_view, 7> kComparisons = {"<", ">", "=", "<=", ">=", "&", "^"};
  if (std::find(kComparisons.begin(), kComparisons.end(), comparison) == kComparisons.end())
    return fail("'{}' is no comparison (< > = <= >= & ^)", printable(parts[1].substr(0, 40)));
  test.comparison = comparison;
  if (Status taken = take_operand(reader, parts[2], 0, UINT32_MAX, test.value); !taken) return taken;
  Status words = read_words(parts, 4, test.number, no_other);
  if (!words) return words;
  if (Status some = at_least_one_byte(test.number); !some) return some;
  reader.add(test, test.number.relative);
  return {};
}

Status read_byte_jump(RuleReader& reader, const std::string& value) {
  const auto parts = split_value(value);
  if (parts.size() < 2) return fail("wants bytes and offset");
  ByteJump jump;
  if (Status place = read_place(reader, parts[0], parts[1], jump.number); !place) return place;
  Status words = read_words(parts, 2, jump.number, [&](std::string_view key, std::string_view rest) -> Result<bool> {
    if (key == "multiplier") return known(take_number(rest, 1, 65535, jump.multiplier));
    if (key == "post_offset")
      return known(take_operand(reader, rest, -kRuleOffsetMax, kRuleOffsetMax, jump.post_offset));
    if (!rest.empty()) return false;
    if (key == "align") return jump.align = true;
    if (key == "from_beginning") return jump.from = ByteJump::From::beginning, true;
    if (key == "from_end") return jump.from = ByteJump::From::end, true;
    return false;
  });
  if (!words) return words;
  reader.add(jump, jump.number.relative);
  return {};
}

Status read_byte_extract(RuleReader& reader, const std::string& value) {
  const auto parts = split_value(value);
  if (parts.size() < 3) return fail("wants bytes, offset and a name");
  ByteExtract extract;
  if (Status place = read_place(reader, parts[0], parts[1], extract.number); !place) return place;
  extract.name = parts[2];
  Status words = read_words(parts, 3, extract.number, [&](std::string_view key, std::string_view rest) -> Result<bool> {
    if (key == "multiplier") return known(take_number(rest, 1, 65535, extract.multiplier));
    if (key != "align") return false;
    if (rest != "2" && rest != "4") return fail("align {}: wants 2 or 4", printable(rest.substr(0, 40)));
    return known(take_number(rest, 2, 4, extract.align));
  });
  if (!words) return words;
  if (Status some = at_least_one_byte(extract.number); !some) return some;
  if (Status defined = reader.define(extract.name); !defined) return defined;
  reader.add(extract, extract.number.relative);
  return {};
}

// What byte_math has as "key value", and the others by place or not at all.
Result<bool> math_word(const RuleReader& reader, std::string_view key, std::string_view rest, ByteMath& math) {
  if (key == "bytes") return known(take_number(rest, 1, kNumberDigitsMax, math.number.bytes));
  if (key == "offset") return known(take_operand(reader, rest, -kRuleOffsetMax, kRuleOffsetMax, math.number.offset));
  if (key == "rvalue") return known(take_operand(reader, rest, 0, UINT32_MAX, math.value));
  if (key == "oper") return math.operation = rest, true;
  if (key == "result") return math.name = rest, true;
  if (key == "endian" && (rest == "big" || rest == "little")) return math.number.little_endian = rest == "little", true;
  if (key == "string" && (rest == "hex" || rest == "dec" || rest == "oct"))
    return math.number.text_base = rest == "hex" ? 16 : rest == "dec" ? 10 : 8, true;
  return false;
}

// "bytes 4, offset 0, oper +, rvalue 3, result name": each with its key, in any order.
Status read_byte_math(RuleReader& reader, const std::string& value) {
  ByteMath math;
  math.value.value = -1;  // no operand can be that
  bool string_said = false;
  for (const std::string_view part : split_value(value)) {
    const auto [key, rest] = key_and_rest(part);
    string_said = string_said || key == "string";
    auto read = math_word(reader, key, rest, math);
    if (read && !*read) read = number_word(key, rest, math.number);
    if (!read) return tl::unexpected<Error>(read.error());
    if (!*read) return not_understood(part);
  }
  static constexpr std::array<std::string_view, 6> kOperations = {"+", "-", "*", "/", "<<", ">>"};
  if (std::find(kOperations.begin(), kOperations.end(), math.operation) == kOperations.end())
    return fail("'oper {}' is not understood (+ - * / << >>)", printable(math.operation.substr(0, 40)));
  if (math.value.value < 0) return fail("an rvalue is missing");
  if (math.operation == "/" && math.value == RuleNumber{}) return fail("divided by zero");
  if (Status number = check_number(math.number, string_said); !number) return number;
  if (Status some = at_least_one_byte(math.number); !some) return some;
  if (Status defined = reader.define(math.name); !defined) return defined;
  reader.add(math, math.number.relative);
  return {};
}

Status read_isdataat(RuleReader& reader, const std::string& value) {
  const auto parts = split_value(value);
  if (parts.empty()) return fail("wants a number");
  DataAt data;
  std::string_view at = parts[0];
  if (at.starts_with('!')) {
    data.negated = true;
    at = trim(at.substr(1));
  }
  if (Status place = take_operand(reader, at, 0, kRuleOffsetMax, data.at); !place) return place;
  for (size_t i = 1; i < parts.size(); ++i) {
    if (parts[i] == "relative") {
      data.relative = true;
    } else if (parts[i] != "rawbytes") {  // undone is only what telnet's decoder did, and we have none
      return not_understood(parts[i]);
    }
  }
  reader.add(data, data.relative);
  return {};
}

Status read_base64_decode(RuleReader& reader, const std::string& value) {
  Base64Decode decode;
  for (const std::string_view part : split_value(value)) {
    const auto [key, rest] = key_and_rest(part);
    Status taken;
    if (key == "bytes") {
      taken = take_number(rest, 1, kRuleOffsetMax, decode.bytes);
    } else if (key == "offset") {
      taken = take_number(rest, 0, kRuleOffsetMax, decode.offset);
    } else if (key == "relative" && rest.empty()) {
      decode.relative = true;
    } else {
      return not_understood(part);
    }
    if (!taken) return taken;
  }
  reader.add(decode, decode.relative);
  reader.decoded = true;
  return {};
}

constexpr OptionRow kOptions[] = {
    {"byte_test", read_byte_test}, {"byte_jump", read_byte_jump}, {"byte_extract", read_byte_extract},
    {"byte_math", read_byte_math}, {"isdataat", read_isdataat},   {"base64_decode", read_base64_decode},
};

}  // namespace

std::span<const OptionRow> byte_options() {
  return kOptions;
}

}  // namespace skep::formats
