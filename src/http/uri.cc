#include "http/uri.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/ascii.h"
#include "http/best_fit.h"

namespace skep::http {
namespace {

size_t find_any(ByteView bytes, size_t from, std::string_view wanted) {
  return std::min(as_text(bytes).find_first_of(wanted, from), bytes.size());
}

ByteView before(ByteView bytes, char mark) {
  return bytes.first(std::min(as_text(bytes).find(mark), bytes.size()));
}

// Of "user:password@host:port".
ByteView host_of_authority(ByteView authority) {
  const size_t at = as_text(authority).find('@');
  if (at != std::string_view::npos) authority = authority.subspan(at + 1);
  if (authority.empty() || authority[0] != '[') return before(authority, ':');
  const size_t end = as_text(authority).find(']');
  return end == std::string_view::npos ? authority : authority.first(end + 1);
}

// A byte that was encoded, and how many bytes that took.
struct Decoded {
  uint8_t byte = '%';
  size_t size = 1;
};

std::optional<uint32_t> hex_number(ByteView digits) {
  uint32_t number = 0;
  for (const uint8_t each : digits) {
    const int digit = hex_digit(each);
    if (digit < 0) return std::nullopt;
    number = number * 16 + static_cast<uint32_t>(digit);
  }
  return number;
}

// `bytes` begin with a percent sign. One that encodes nothing stands for itself.
Decoded decode_percent(ByteView bytes, bool with_u) {
  if (bytes.size() < 3) return {};
  if (with_u && lower(bytes[1]) == 'u') {
    const auto code = bytes.size() < 6 ? std::nullopt : hex_number(bytes.subspan(2, 4));
    return code ? Decoded{best_fit(*code), 6} : Decoded{};
  }
  const auto code = hex_number(bytes.subspan(1, 2));
  return code ? Decoded{static_cast<uint8_t>(*code), 3} : Decoded{};
}

void append_percent_decoded(Bytes& out, ByteView bytes, bool with_u) {
  for (size_t i = 0; i < bytes.size();) {
    const Decoded next = bytes[i] == '%' ? decode_percent(bytes.subspan(i), with_u) : Decoded{bytes[i], 1};
    out.push_back(next.byte);
    i += next.size;
  }
}

void append_path_bytes(Bytes& out, ByteView path) {
  bool behind_slash = false;
  for (size_t i = 0; i < path.size();) {
    Decoded next = path[i] == '%' ? decode_percent(path.subspan(i), true) : Decoded{path[i], 1};
    if (next.byte == '\\') next.byte = '/';
    const bool slash = next.byte == '/';
    if (!slash || !behind_slash) out.push_back(next.byte);
    behind_slash = slash;
    i += next.size;
  }
}

// How many bytes a character has by its first one; 0: none begins with it. More bytes than needed (overlong) will do.
size_t utf8_size(uint8_t first) {
  if (first < 0x80) return 1;
  if (first < 0xc0 || first > 0xf4) return 0;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

// No surrogates, and nothing beyond U+10FFFF.
bool follows(uint8_t first, size_t place, uint8_t byte) {
  if (byte < 0x80 || byte > 0xbf) return false;
  if (place == 1 && first == 0xed) return byte <= 0x9f;
  if (place == 1 && first == 0xf4) return byte <= 0x8f;
  return true;
}

// In place, from `from` on: each character as one byte, '?' for what is none. One that is cut off by the end is gone.
void narrow_utf8(Bytes& bytes, size_t from) {
  size_t to = from;
  for (size_t i = from; i < bytes.size();) {
    const uint8_t first = bytes[i];
    const size_t size = utf8_size(first);
    uint32_t code = size < 2 ? first : first & (0x7fU >> size);
    size_t there = 1;
    for (; there < size && i + there < bytes.size() && follows(first, there, bytes[i + there]); ++there)
      code = code << 6 | (bytes[i + there] & 0x3fU);
    if (there < size && i + there == bytes.size()) break;
    bytes[to++] = size == 0 || there < size ? '?' : best_fit(code);
    i += there;
  }
  bytes.resize(to);
}

// In place, from `from` on: RFC 3986, 5.2.4, but for a path that ends with a segment of dots: the slash which would
// stand for it goes, too.
void remove_dot_segments(Bytes& bytes, size_t from) {
  size_t to = from;
  const auto drop_segment = [&] {
    while (to > from && bytes[to - 1] != '/') --to;
    if (to > from) --to;
  };
  for (size_t i = from; i < bytes.size();) {
    const std::string_view rest = as_text(bytes).substr(i);
    if (rest == "." || rest == ".." || rest == "/." || rest == "/./") break;
    if (rest == "/.." || rest == "/../") {
      drop_segment();
      break;
    }
    if (rest.starts_with("../")) {
      i += 3;
    } else if (rest.starts_with("./") || rest.starts_with("/./")) {
      i += 2;
    } else if (rest.starts_with("/../")) {
      drop_segment();
      i += 3;
    } else {
      do bytes[to++] = bytes[i++];
      while (i < bytes.size() && bytes[i] != '/');
    }
  }
  bytes.resize(to);
}

// Bytes of a path that may not stay as they are, whatever stands beside them; and what ends it.
enum : uint8_t { kPlain, kDecoded, kSlash, kEnds };
constexpr std::array<uint8_t, 256> kPathBytes = [] {
  std::array<uint8_t, 256> kinds{};
  for (size_t i = 0x80; i < kinds.size(); ++i) kinds[i] = kDecoded;
  kinds['%'] = kinds['\\'] = kDecoded;
  kinds['/'] = kSlash;
  kinds['?'] = kinds['#'] = kEnds;
  return kinds;
}();

}  // namespace

Uri split_uri(ByteView uri) {
  Uri parts;
  if (uri.empty()) return parts;
  size_t at = 0;
  const size_t colon = uri[0] == '/' ? uri.size() : find_any(uri, 0, ":");
  if (colon != uri.size()) {
    at = colon + 1;
    const ByteView rest = uri.subspan(at);
    if (rest.size() > 2 && rest[0] == '/' && rest[1] == '/' && rest[2] != '/') {
      at += 2;
      const size_t end = find_any(uri, at, "?/#");
      parts.host = host_of_authority(uri.subspan(at, end - at));
      at = end;
    }
  }
  size_t end = find_any(uri, at, "?#");
  parts.path = uri.subspan(at, end - at);
  if (end < uri.size() && uri[end] == '?') {
    at = end + 1;
    end = find_any(uri, at, "#");
    parts.query = uri.subspan(at, end - at);
  }
  if (end < uri.size()) parts.fragment = uri.subspan(end + 1);
  return parts;
}

Uri split_authority(ByteView uri) {
  Uri parts;
  parts.host = host_in(uri);
  return parts;
}

std::optional<ByteView> host_in(ByteView text) {
  while (!text.empty() && is_space(text.front())) text = text.subspan(1);
  while (!text.empty() && is_space(text.back())) text = text.first(text.size() - 1);
  if (text.empty()) return std::nullopt;
  if (text[0] == '[') {
    const size_t end = as_text(text).find(']');
    if (end == std::string_view::npos) return std::nullopt;
    return text.first(end + 1);
  }
  ByteView host = before(text, ':');
  if (host.size() < text.size())
    while (!host.empty() && is_space(host.back())) host = host.first(host.size() - 1);
  return host;
}

bool is_plain_uri(ByteView uri) {
  if (uri.empty() || uri[0] != '/') return false;
  for (size_t i = 0; i < uri.size(); ++i) {
    switch (kPathBytes[uri[i]]) {
      case kDecoded:
        return false;
      case kSlash:
        if (i + 1 < uri.size() && (uri[i + 1] == '/' || uri[i + 1] == '.')) return false;
        break;
      case kEnds:
        return std::memchr(uri.data() + i, '%', uri.size() - i) == nullptr;
      default:
        break;
    }
  }
  return true;
}

void append_decoded(Bytes& out, const Uri& uri) {
  if (uri.path) {
    const size_t from = out.size();
    append_path_bytes(out, *uri.path);
    narrow_utf8(out, from);
    remove_dot_segments(out, from);
  }
  if (uri.query) {
    out.push_back('?');
    append_percent_decoded(out, *uri.query, false);
  }
  if (uri.fragment) {
    out.push_back('#');
    append_percent_decoded(out, *uri.fragment, true);
  }
}

void append_decoded_host(Bytes& out, ByteView host) {
  const size_t from = out.size();
  append_percent_decoded(out, host, true);
  for (size_t i = from; i < out.size(); ++i) out[i] = lower(out[i]);
  while (out.size() > from && out.back() == '.') out.pop_back();
}

}  // namespace skep::http
