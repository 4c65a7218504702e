#include "http/framing.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "base/ascii.h"
#include "base/text.h"
#include "http/head.h"

namespace skep::http {
namespace {

// Without its NULs, and in either case. `name` is in lower case.
bool is_without_nuls(ByteView value, std::string_view name) {
  size_t matched = 0;
  for (const uint8_t byte : value) {
    if (byte == 0) continue;
    if (matched == name.size() || lower(byte) != static_cast<uint8_t>(name[matched])) return false;
    ++matched;
  }
  return matched == name.size();
}

Packing packing(const Head& head) {
  const auto value = head.value("content-encoding");
  if (!value) return Packing::none;
  if (is_without_nuls(*value, "gzip") || is_without_nuls(*value, "x-gzip")) return Packing::gzip;
  if (is_without_nuls(*value, "deflate") || is_without_nuls(*value, "x-deflate")) return Packing::deflate;
  return Packing::none;
}

// One of the values, with commas between them.
bool is_chunked(ByteView value) {
  const std::string_view text = as_text(value);
  for (size_t from = 0; from <= text.size();) {
    const size_t comma = std::min(text.find(',', from), text.size());
    if (same_letters(as_bytes(trim(text.substr(from, comma - from))), "chunked")) return true;
    from = comma + 1;
  }
  return false;
}

// The first digits that there are; what else stands before or behind them is passed over.
std::optional<uint64_t> length(ByteView value) {
  auto at = std::ranges::find_if(value, is_digit);
  if (at == value.end()) return std::nullopt;
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  uint64_t length = 0;
  for (; at != value.end() && is_digit(*at); ++at) {
    const uint64_t digit = *at - uint64_t{'0'};
    if (length > (kMost - digit) / 10) return std::nullopt;
    length = length * 10 + digit;
  }
  return length;
}

}  // namespace

BodyKind body_kind(const Head& head) {
  BodyKind kind;
  kind.packing = packing(head);
  if (const auto encoding = head.value("transfer-encoding")) {
    if (is_chunked(*encoding))
      kind.framing = Framing::chunked;
    else
      kind.why = "Transfer-Encoding is another than chunked";
  } else if (const auto said = head.value("content-length")) {
    if (const auto bytes = length(*said)) {
      kind.framing = Framing::length;
      kind.length = *bytes;
    } else {
      kind.why = "Content-Length is no number";
    }
  }
  return kind;
}

}  // namespace skep::http
