#include "replay/forms.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "replay/byte_forms.h"

namespace skep::replay {

namespace {

void append(Bytes& out, std::string_view text) {
  out.insert(out.end(), text.begin(), text.end());
}

std::optional<uint64_t> read_digits(ByteView text, int base) {
  uint64_t value = 0;
  const char* const end = as_text(text).data() + text.size();
  const auto [stopped, error] = std::from_chars(as_text(text).data(), end, value, base);
  if (text.empty() || error != std::errc() || stopped != end) return std::nullopt;
  return value;
}

std::optional<uint64_t> read_octet_pair(ByteView text) {
  const size_t comma = as_text(text).find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  const auto high = read_digits(text.first(comma), 10), low = read_digits(text.subspan(comma + 1), 10);
  if (!high || !low || *high > 255 || *low > 255) return std::nullopt;
  return *high << 8 | *low;
}

bool is_little(Form form) {
  return form == Form::le16 || form == Form::le32 || form == Form::le64;
}

std::optional<uint64_t> read_number(Form form, ByteView written) {
  if (form == Form::decimal) return read_digits(written, 10);
  if (form == Form::hex_number) return read_digits(written, 16);
  if (form == Form::octet_pair) return read_octet_pair(written);
  if (written.size() != integer_bytes(form)) return std::nullopt;
  return integer_at(form, written.data());
}

// With leading zeroes up to the recorded width where there were some.
std::string write_digits(uint64_t number, Form form, ByteView recorded) {
  const size_t width = recorded.size() > 1 && recorded[0] == '0' ? recorded.size() : 0;
  if (form == Form::decimal) return fmt::format("{:0{}}", number, width);
  const bool upper = std::any_of(recorded.begin(), recorded.end(), [](uint8_t c) { return c >= 'A' && c <= 'F'; });
  return upper ? fmt::format("{:0{}X}", number, width) : fmt::format("{:0{}x}", number, width);
}

std::optional<Bytes> write_number(Form form, uint64_t number, ByteView recorded) {
  Bytes out;
  if (form == Form::decimal || form == Form::hex_number) {
    append(out, write_digits(number, form, recorded));
    return out;
  }
  if (form == Form::octet_pair) {
    if (number > 0xFFFF) return std::nullopt;
    append(out, fmt::format("{},{}", number >> 8, number & 0xFF));
    return out;
  }
  const size_t width = integer_bytes(form);
  if (width < 8 && number >> (8 * width) != 0) return std::nullopt;
  for (size_t i = 0; i < width; ++i)
    out.push_back(static_cast<uint8_t>(number >> (8 * (is_little(form) ? i : width - 1 - i))));
  return out;
}

}  // namespace

bool is_number(Form form) {
  return form >= Form::decimal;
}

std::optional<Value> read_value(Form form, ByteView written) {
  if (is_number(form)) {
    const auto number = read_number(form, written);
    return number ? std::optional<Value>(*number) : std::nullopt;
  }
  auto bytes = read_bytes(form, written);
  return bytes ? std::optional<Value>(std::move(*bytes)) : std::nullopt;
}

std::optional<Bytes> write_value(Form form, const Value& value, ByteView recorded) {
  if (is_number(form)) {
    const auto* const number = std::get_if<uint64_t>(&value);
    return number != nullptr ? write_number(form, *number, recorded) : std::nullopt;
  }
  const auto* const bytes = std::get_if<Bytes>(&value);
  return bytes != nullptr ? std::optional<Bytes>(write_bytes(form, *bytes, recorded)) : std::nullopt;
}

}  // namespace skep::replay
