#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "replay/byte_forms.h"

namespace skep::replay {

namespace {

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
  out.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const auto byte = two_digits(text, i);
    if (!byte) return std::nullopt;
    out.push_back(*byte);
  }
  return out;
}

// What each byte stands for; -1: it is no digit.
constexpr std::array<int8_t, 256> base64_digits(std::string_view last) {
  constexpr std::string_view kFirst = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::array<int8_t, 256> digits{};
  digits.fill(-1);
  for (size_t i = 0; i < kFirst.size(); ++i) digits[static_cast<uint8_t>(kFirst[i])] = static_cast<int8_t>(i);
  for (size_t i = 0; i < last.size(); ++i)
    digits[static_cast<uint8_t>(last[i])] = static_cast<int8_t>(kFirst.size() + i);
  return digits;
}
constexpr auto kBase64Digits = base64_digits("+/");
constexpr auto kBase64UrlDigits = base64_digits("-_");

std::optional<Bytes> read_base64(ByteView text, bool url) {
  while (!text.empty() && text.back() == '=') text = text.first(text.size() - 1);
  if (text.size() % 4 == 1) return std::nullopt;
  const auto& digits = url ? kBase64UrlDigits : kBase64Digits;
  Bytes out(text.size() * 6 / 8);
  uint8_t* to = out.data();
  uint32_t bits = 0;
  unsigned held = 0;
  for (const uint8_t c : text) {
    const int8_t value = digits[c];
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    held += 6;
    if (held >= 8) *to++ = static_cast<uint8_t>(bits >> (held -= 8));
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

std::optional<std::pair<uint32_t, size_t>> reference_at(ByteView text, size_t at) {
  const std::string_view rest = as_text(text).substr(at, 10);
  for (const CharacterReference& each : kReferences) {
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

}  // namespace

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

}  // namespace skep::replay
