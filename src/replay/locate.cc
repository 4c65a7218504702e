#include "replay/locate.h"

#include <algorithm>

namespace skep::replay {

namespace {

constexpr size_t kAnchorBytesMin = 3;

bool is_text(uint8_t c) {
  return (c >= ' ' && c < 0x7F) || c == '\t' || c == '\r' || c == '\n';
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// How often `anchor` ends at or before `end`.
size_t ordinal(std::string_view text, std::string_view anchor, size_t end) {
  size_t count = 0;
  for (size_t at = text.find(anchor); at != std::string_view::npos && at + anchor.size() <= end;
       at = text.find(anchor, at + 1))
    ++count;
  return count;
}

// Where the `count`-th occurrence begins.
size_t nth(std::string_view text, std::string_view anchor, size_t count) {
  size_t at = text.find(anchor);
  while (at != std::string_view::npos && --count > 0) at = text.find(anchor, at + 1);
  return at;
}

// So short an anchor is good where all of the answer is built alike: "(10,0,0,1,4,1)".
bool is_as_frequent(std::string_view recorded, std::string_view anchor, std::string_view answer) {
  return !is_alphanumeric(anchor.back()) &&
         ordinal(recorded, anchor, recorded.size()) == ordinal(answer, anchor, answer.size());
}

// The longest end of `before` that is in the answer says where the value begins: of several occurrences the one which
// has the number that it had when it was recorded.
std::optional<size_t> beginning(std::string_view recorded, const Echo& echo, std::string_view answer) {
  const size_t at = echo.source.offset;
  const std::string_view before = echo.before;
  if (before.size() < kAnchorBytesMin)  // the message begins so
    return answer.starts_with(before) ? std::optional<size_t>(before.size()) : std::nullopt;
  if (answer.size() >= at && answer.substr(at - before.size(), before.size()) == before &&
      answer.substr(0, at) == recorded.substr(0, at))
    return at;
  for (size_t size = before.size(); size > 0; --size) {
    const std::string_view anchor = before.substr(before.size() - size);
    if (answer.find(anchor) == std::string_view::npos) continue;
    if (size < kAnchorBytesMin && !is_as_frequent(recorded, anchor, answer)) continue;
    const size_t found = nth(answer, anchor, ordinal(recorded, anchor, at));
    if (found != std::string_view::npos) return found + size;
  }
  return std::nullopt;
}

// Of a value whose size is not fixed: where what followed it follows again.
std::optional<size_t> ending(std::string_view recorded, const Echo& echo, std::string_view answer, size_t begin) {
  const std::string_view value = recorded.substr(echo.source.offset, echo.source.bytes);
  if (echo.after.empty()) return answer.size();
  if (value.find(echo.after[0]) == std::string_view::npos) {
    const size_t end = answer.find(echo.after[0], begin);
    return end != std::string_view::npos ? std::optional<size_t>(end) : std::nullopt;
  }
  for (size_t size = echo.after.size(); size > 0; --size) {
    const size_t end = answer.find(echo.after.substr(0, size), begin);
    if (end != std::string_view::npos) return end;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::pair<size_t, size_t>> locate(ByteView recorded, const Echo& echo, ByteView answer) {
  if (uint64_t{echo.source.offset} + echo.source.bytes > recorded.size()) return std::nullopt;
  const auto begin = beginning(as_text(recorded), echo, as_text(answer));
  if (!begin) return std::nullopt;
  const auto end = echo.fixed_size ? std::optional<size_t>(*begin + echo.source.bytes)
                                   : ending(as_text(recorded), echo, as_text(answer), *begin);
  if (!end || *end > answer.size() || *end <= *begin) return std::nullopt;
  return std::pair(*begin, *end);
}

void take_context(ByteView recorded, Echo& echo) {
  const std::string_view text = as_text(recorded);
  const size_t begin = echo.source.offset, end = begin + echo.source.bytes;
  const size_t reach = std::min(begin, kContextBytes);
  echo.before = text.substr(begin - reach, reach);
  echo.after = text.substr(end, kContextBytes);
  const ByteView value = recorded.subspan(begin, echo.source.bytes);
  const bool delimited = echo.after.empty() || is_text(static_cast<uint8_t>(echo.after[0]));
  echo.fixed_size = !delimited || !std::all_of(value.begin(), value.end(), is_text);
}

}  // namespace skep::replay
