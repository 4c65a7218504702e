// byte_test, byte_jump, byte_extract, byte_math, isdataat, base64_decode: options that read numbers out of the bytes.
#include <algorithm>

#include "base/text.h"
#include "formats/rule_reader.h"

namespace skep::formats {
namespace {

constexpr int64_t kOffsetMax = 65535;
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
    if (!*known) return fail("'{}' is not understood", printable(parts[i].substr(0, 40)));
  }
  return check_number(number, string_said);
}

Status read_place(const RuleReader& reader, std::string_view bytes, std::string_view offset, ByteNumber& number) {
  const auto count = rule_number(bytes, 0, kNumberDigitsMax);
  if (!count) return tl::unexpected<Error>(count.error());
  const auto from = reader.number(offset, -kOffsetMax, kOffsetMax);
  if (!from) return tl::unexpected<Error>(from.error());
  number.bytes = *count;
  number.offset = *from;
  return {};
}

template <typename T>
Result<bool> take_number(std::string_view rest, int64_t least, int64_t most, T& out) {
  const auto value = rule_number(rest, least, most);
  if (!value) return tl::unexpected<Error>(value.error());
  out = static_cast<T>(*value);
  return true;
}

Result<bool> take_operand(const RuleReader& reader, std::string_view rest, int64_t least, RuleNumber& out) {
  auto value = reader.number(rest, least, UINT32_MAX);
  if (!value) return tl::unexpected<Error>(value.error());
  out = std::move(*value);
  return true;
}

Status at_least_one_byte(const ByteNumber& number) {
  if (number.bytes == 0) return fail("a number of no bytes");
  return {};
}

}  // namespace

Status read_byte_test(RuleReader& reader, const std::string& value) {
  const auto parts = split_value(value);
  if (parts.size() < 4) return fail("wants bytes, comparison, value and offset");
  ByteTest test;
  if (const Status place = read_place(reader, parts[0], parts[3], test.number); !place) return place;
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
  if (const auto taken = take_operand(reader, parts[2], 0, test.value); !taken)
    return tl::unexpected<Error>(taken.error());
  const Status words =
      read_words(parts, 4, test.number, [](std::string_view, std::string_view) { return Result<bool>(false); });
  if (!words) return words;
  if (const Status some = at_least_one_byte(test.number); !some) return some;
  test.where = reader.where(test.number.relative);
  reader.rule.options.emplace_back(std::move(test));
  return {};
}

Status read_byte_jump(RuleReader& reader, const std::string& value) {
  const auto parts = split_value(value);
  if (parts.size() < 2) return fail("wants bytes and offset");
  ByteJump jump;
  if (const Status place = read_place(reader, parts[0], parts[1], jump.number); !place) return place;
  const Status words =
      read_words(parts, 2, jump.number, [&](std::string_view key, std::string_view rest) -> Result<bool> {
        if (key == "multiplier") return take_number(rest, 1, 65535, jump.multiplier);
        if (key == "post_offset") {
          auto post = reader.number(rest, -kOffsetMax, kOffsetMax);
          if (!post) return tl::unexpected<Error>(post.error());
          jump.post_offset = std::move(*post);
          return true;
        }
        if (!rest.empty()) return false;
        if (key == "align") return jump.align = true;
        if (key == "from_beginning") return jump.from = ByteJump::From::beginning, true;
        if (key == "from_end") return jump.from = ByteJump::From::end, true;
        return false;
      });
  if (!words) return words;
  jump.where = reader.where(jump.number.relative);
  reader.rule.options.emplace_back(std::move(jump));
  return {};
}

Status read_byte_extract(RuleReader& reader, const std::string& value) {
  const auto parts = split_value(value);
  if (parts.size() < 3) return fail("wants bytes, offset and a name");
  ByteExtract extract;
  if (const Status place = read_place(reader, parts[0], parts[1], extract.number); !place) return place;
  extract.name = parts[2];
  const Status words =
      read_words(parts, 3, extract.number, [&](std::string_view key, std::string_view rest) -> Result<bool> {
        if (key == "multiplier") return take_number(rest, 1, 65535, extract.multiplier);
        if (key != "align") return false;
        if (rest != "2" && rest != "4") return fail("align {}: wants 2 or 4", printable(rest.substr(0, 40)));
        return take_number(rest, 2, 4, extract.align);
      });
  if (!words) return words;
  if (const Status some = at_least_one_byte(extract.number); !some) return some;
  if (const Status defined = reader.define(extract.name); !defined) return defined;
  extract.where = reader.where(extract.number.relative);
  reader.rule.options.emplace_back(std::move(extract));
  return {};
}

// "bytes 4, offset 0, oper +, rvalue 3, result name": each with its key, in any order.
Status read_byte_math(RuleReader& reader, const std::string& value) {
  ByteMath math;
  bool base_said = false;
  bool value_said = false;
  const auto parts = split_value(value);
  std::vector<std::string_view> shared;  // what all four options have
  for (const std::string_view part : parts) {
    const auto [key, rest] = key_and_rest(part);
    Result<bool> taken = true;
    if (key == "bytes")
      taken = take_number(rest, 1, kNumberDigitsMax, math.number.bytes);
    else if (key == "offset") {
      auto offset = reader.number(rest, -kOffsetMax, kOffsetMax);
      if (!offset) return tl::unexpected<Error>(offset.error());
      math.number.offset = std::move(*offset);
    } else if (key == "oper")
      math.operation = rest;
    else if (key == "rvalue") {
      value_said = true;
      taken = take_operand(reader, rest, 0, math.value);
    } else if (key == "result")
      math.name = rest;
    else if (key == "endian") {
      if (rest != "big" && rest != "little")
        return fail("'endian {}' is not understood", printable(rest.substr(0, 40)));
      math.number.little_endian = rest == "little";
    } else if (key == "string" && !rest.empty()) {
      if (rest != "hex" && rest != "dec" && rest != "oct")
        return fail("'string {}' is not understood", printable(rest.substr(0, 40)));
      math.number.text_base = rest == "hex" ? 16 : rest == "dec" ? 10 : 8;
      base_said = true;
    } else
      shared.push_back(part);
    if (!taken) return tl::unexpected<Error>(taken.error());
  }
  if (base_said) shared.emplace_back("string");
  const Status words =
      read_words(shared, 0, math.number, [](std::string_view, std::string_view) { return Result<bool>(false); });
  if (!words) return words;
  static constexpr std::array<std::string_view, 6> kOperations = {"+", "-", "*", "/", "<<", ">>"};
  if (std::find(kOperations.begin(), kOperations.end(), math.operation) == kOperations.end())
    return fail("'oper {}' is not understood (+ - * / << >>)", printable(math.operation.substr(0, 40)));
  if (!value_said) return fail("an rvalue is missing");
  if (math.operation == "/" && math.value.variable.empty() && math.value.value == 0) return fail("divided by zero");
  if (const Status some = at_least_one_byte(math.number); !some) return some;
  if (const Status defined = reader.define(math.name); !defined) return defined;
  math.where = reader.where(math.number.relative);
  reader.rule.options.emplace_back(std::move(math));
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
  auto place = reader.number(at, 0, kOffsetMax);
  if (!place) return tl::unexpected<Error>(place.error());
  data.at = std::move(*place);
  for (size_t i = 1; i < parts.size(); ++i) {
    if (parts[i] == "relative") {
      data.relative = true;
    } else if (parts[i] != "rawbytes") {  // undone is only what telnet's decoder did, and we have none
      return fail("'{}' is not understood", printable(parts[i].substr(0, 40)));
    }
  }
  data.where = reader.where(data.relative);
  reader.rule.options.emplace_back(std::move(data));
  return {};
}

Status read_base64_decode(RuleReader& reader, const std::string& value) {
  Base64Decode decode;
  for (const std::string_view part : split_value(value)) {
    const auto [key, rest] = key_and_rest(part);
    Result<bool> taken = true;
    if (key == "bytes") {
      taken = take_number(rest, 1, kOffsetMax, decode.bytes);
    } else if (key == "offset") {
      taken = take_number(rest, 0, kOffsetMax, decode.offset);
    } else if (key == "relative" && rest.empty()) {
      decode.relative = true;
    } else {
      return fail("'{}' is not understood", printable(part.substr(0, 40)));
    }
    if (!taken) return tl::unexpected<Error>(taken.error());
  }
  decode.where = reader.where(decode.relative);
  reader.decoded = true;
  reader.rule.options.emplace_back(std::move(decode));
  return {};
}

}  // namespace skep::formats
