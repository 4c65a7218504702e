#include <algorithm>
#include <array>

#include "base/text.h"
#include "replay/byte_forms.h"

namespace skep::replay {

namespace {

bool has(ByteView text, std::string_view part) {
  return as_text(text).find(part) != std::string_view::npos;
}

bool has_lower_digit(ByteView text) {
  return std::any_of(text.begin(), text.end(), [](uint8_t c) { return c >= 'a' && c <= 'f'; });
}

void append(Bytes& out, std::string_view text) {
  out.insert(out.end(), text.begin(), text.end());
}

void append_hex(Bytes& out, uint8_t byte, bool upper) {
  const char* const digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  out.push_back(static_cast<uint8_t>(digits[byte >> 4]));
  out.push_back(static_cast<uint8_t>(digits[byte & 15]));
}

bool is_unreserved(uint8_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

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
      out.push_back('%');
      append_hex(out, c, !lower);
    }
  }
  return out;
}

Bytes write_hex(ByteView value, bool upper) {
  Bytes out;
  out.reserve(2 * value.size());
  for (const uint8_t c : value) append_hex(out, c, upper);
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
      append(out, "\\u00");
      append_hex(out, c, false);
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
    const auto* const reference =
        std::find_if(kReferences.begin(), kReferences.end(),
                     [c](const CharacterReference& each) { return static_cast<uint8_t>(each.meant) == c && c != ' '; });
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

}  // namespace

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

}  // namespace skep::replay
