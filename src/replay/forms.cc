#include "replay/forms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/ascii.h"
#include "base/text.h"

namespace skep::replay {

namespace {

std::optional<uint8_t> two_digits(ByteView text, size_t at) {
  if (at + 2 > text.size()) return std::nullopt;
  const int high = hex_digit(text[at]), low = hex_digit(text[at + 1]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<uint8_t>(high << 4 | low);
}

bool has(ByteView text, std::string_view part) {
  return as_text(text).find(part) != std::string_view::npos;
}

bool has_lower_digit(ByteView text) {
  return std::any_of(text.begin(), text.end(), [](uint8_t c) { return c >= 'a' && c <= 'f'; });
}

void append(Bytes& out, std::string_view text) {
  out.insert(out.end(), text.begin(), text.end());
}

bool is_unreserved(uint8_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

// --- readers ---

std::optional<Bytes> read_percent(ByteView text) {
  Bytes out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const auto byte = two_digits(text, i + 1);
      if (!byte) return std::nullopt;
      out.push_back(*byte);
      i += 2;
    } else {
      out.push_back(text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

std::optional<Bytes> read_hex(ByteView text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes out;
  for (size_t i = 0; i < text.size(); i += 2) {
    const auto byte = two_digits(text, i);
    if (!byte) return std::nullopt;
    out.push_back(*byte);
  }
  return out;
}

int base64_digit(uint8_t c, bool url) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == (url ? '-' : '+')) return 62;
  if (c == (url ? '_' : '/')) return 63;
  return -1;
}

std::optional<Bytes> read_base64(ByteView text, bool url) {
  while (!text.empty() && text.back() == '=') text = text.first(text.size() - 1);
  if (text.size() % 4 == 1) return std::nullopt;
  Bytes out;
  uint32_t bits = 0;
  unsigned held = 0;
  for (const uint8_t c : text) {
    const int value = base64_digit(c, url);
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    held += 6;
    if (held >= 8) out.push_back(static_cast<uint8_t>(bits >> (held -= 8)));
  }
  if ((bits & ((1u << held) - 1)) != 0) return std::nullopt;  // no encoder leaves bits there
  return out;
}

void append_utf8(Bytes& out, uint32_t code) {
  if (code < 0x80) {
    out.push_back(static_cast<uint8_t>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<uint8_t>(0xC0 | code >> 6));
    out.push_back(static_cast<uint8_t>(0x80 | (code & 0x3F)));
  } else {
    out.push_back(static_cast<uint8_t>(0xE0 | code >> 12));
    out.push_back(static_cast<uint8_t>(0x80 | (code >> 6 & 0x3F)));
    out.push_back(static_cast<uint8_t>(0x80 | (code & 0x3F)));
  }
}

constexpr std::string_view kJsonLetters = "\"\\/bfnrt";
constexpr std::string_view kJsonMeant = "\"\\/\b\f\n\r\t";

std::optional<Bytes> read_json(ByteView text) {
  Bytes out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out.push_back(text[i]);
      continue;
    }
    if (++i >= text.size()) return std::nullopt;
    if (text[i] == 'u') {
      const auto high = two_digits(text, i + 1), low = two_digits(text, i + 3);
      if (!high || !low) return std::nullopt;
      append_utf8(out, static_cast<uint32_t>(*high << 8 | *low));
      i += 4;
    } else {
      const size_t letter = kJsonLetters.find(static_cast<char>(text[i]));
      if (letter == std::string_view::npos) return std::nullopt;
      out.push_back(static_cast<uint8_t>(kJsonMeant[letter]));
    }
  }
  return out;
}

struct Reference {
  std::string_view name;
  char meant;
};
constexpr std::array<Reference, 6> kReferences = {
    {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&nbsp;", ' '}}};

// The character reference at `at`: what it means, and how long it is.
std::optional<std::pair<uint32_t, size_t>> reference_at(ByteView text, size_t at) {
  const std::string_view rest = as_text(text).substr(at, 10);
  for (const Reference& each : kReferences) {
    if (rest.starts_with(each.name)) return {{static_cast<uint8_t>(each.meant), each.name.size()}};
  }
  if (!rest.starts_with("&#")) return std::nullopt;
  const bool in_hex = rest.size() > 2 && (rest[2] == 'x' || rest[2] == 'X');
  const char* const begin = rest.data() + (in_hex ? 3 : 2);
  const char* const end = rest.data() + rest.size();
  uint32_t code = 0;
  const auto [stopped, error] = std::from_chars(std::min(begin, end), end, code, in_hex ? 16 : 10);
  if (error != std::errc() || stopped == end || *stopped != ';' || code > 0xFFFF) return std::nullopt;
  return {{code, static_cast<size_t>(stopped + 1 - rest.data())}};
}

std::optional<Bytes> read_html(ByteView text) {
  Bytes out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto reference = text[i] == '&' ? reference_at(text, i) : std::nullopt;
    if (!reference) {
      out.push_back(text[i]);
    } else {
      append_utf8(out, reference->first);
      i += reference->second - 1;
    }
  }
  return out;
}

std::optional<Bytes> read_utf16le(ByteView text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes out;
  for (size_t i = 0; i < text.size(); i += 2) {
    if (text[i + 1] != 0) return std::nullopt;
    out.push_back(text[i]);
  }
  return out;
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

std::optional<Bytes> read_bytes(Form form, ByteView written) {
  switch (form) {
    case Form::percent:
      return read_percent(written);
    case Form::hex_lower:
    case Form::hex_upper:
      return read_hex(written);
    case Form::base64:
      return read_base64(written, false);
    case Form::base64url:
      return read_base64(written, true);
    case Form::json:
      return read_json(written);
    case Form::html:
      return read_html(written);
    case Form::utf16le:
      return read_utf16le(written);
    default:
      return Bytes(written.begin(), written.end());
  }
}

// --- writers ---

Bytes write_percent(ByteView value, ByteView recorded) {
  std::array<bool, 256> literal{};  // stood there unescaped
  std::array<bool, 256> escaped{};
  bool lower = false;
  for (size_t i = 0; i < recorded.size(); ++i) {
    const auto byte = recorded[i] == '%' ? two_digits(recorded, i + 1) : std::nullopt;
    if (!byte) {
      literal[recorded[i]] = true;
      continue;
    }
    escaped[*byte] = true;
    lower |= has_lower_digit(recorded.subspan(i + 1, 2));
    i += 2;
  }
  Bytes out;
  for (const uint8_t c : value) {
    if (c == ' ' && literal['+']) {
      out.push_back('+');
    } else if (!escaped[c] && c != '%' && c != '+' && (is_unreserved(c) || literal[c])) {
      out.push_back(c);
    } else {
      append(out, lower ? fmt::format("%{:02x}", c) : fmt::format("%{:02X}", c));
    }
  }
  return out;
}

Bytes write_hex(ByteView value, bool upper) {
  Bytes out;
  for (const uint8_t c : value) append(out, upper ? fmt::format("{:02X}", c) : fmt::format("{:02x}", c));
  return out;
}

Bytes write_base64(ByteView value, bool url, ByteView recorded) {
  std::string text = base64(as_text(value));
  if (url) {
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
  }
  const bool padded = recorded.size() % 4 == 0 && (!url || has(recorded, "="));
  if (!padded) text.resize(text.size() - static_cast<size_t>(std::count(text.begin(), text.end(), '=')));
  return {text.begin(), text.end()};
}

Bytes write_json(ByteView value, ByteView recorded) {
  Bytes out;
  for (const uint8_t c : value) {
    const size_t letter = kJsonMeant.find(static_cast<char>(c));
    if (letter != std::string_view::npos && (c != '/' || has(recorded, "\\/"))) {
      out.push_back('\\');
      out.push_back(static_cast<uint8_t>(kJsonLetters[letter]));
    } else if (c < ' ') {
      append(out, fmt::format("\\u{:04x}", c));
    } else {
      out.push_back(c);
    }
  }
  return out;
}

Bytes write_html(ByteView value) {
  Bytes out;
  for (const uint8_t c : value) {
    if (c == '\'') {
      append(out, "&#39;");
      continue;
    }
    const auto* const reference = std::find_if(kReferences.begin(), kReferences.end(), [c](const Reference& each) {
      return static_cast<uint8_t>(each.meant) == c && c != ' ';
    });
    if (reference == kReferences.end())
      out.push_back(c);
    else
      append(out, reference->name);
  }
  return out;
}

Bytes write_utf16le(ByteView value) {
  Bytes out;
  for (const uint8_t c : value) {
    out.push_back(c);
    out.push_back(0);
  }
  return out;
}

Bytes write_bytes(Form form, ByteView value, ByteView recorded) {
  switch (form) {
    case Form::percent:
      return write_percent(value, recorded);
    case Form::hex_lower:
      return write_hex(value, false);
    case Form::hex_upper:
      return write_hex(value, true);
    case Form::base64:
      return write_base64(value, false, recorded);
    case Form::base64url:
      return write_base64(value, true, recorded);
    case Form::json:
      return write_json(value, recorded);
    case Form::html:
      return write_html(value);
    case Form::utf16le:
      return write_utf16le(value);
    default:
      return {value.begin(), value.end()};
  }
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
