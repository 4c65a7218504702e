#include "replay/locate.h"

#include <algorithm>

#include "replay/forms.h"
#include "replay/tokens.h"

namespace skep::replay {

namespace {

constexpr size_t kAnchorBytesMin = 3;

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

// So short an anchor is good where all of the answer is built alike: "(10,0,0,1,4,1)". Of a word or a number it is not:
// the end of one is the end of many others.
bool is_as_frequent(std::string_view recorded, std::string_view anchor, std::string_view answer) {
  return std::none_of(anchor.begin(), anchor.end(), [](char c) { return is_word(static_cast<uint8_t>(c)); }) &&
         ordinal(recorded, anchor, recorded.size()) == ordinal(answer, anchor, answer.size());
}

// Where what `before` stands before begins: the longest end of it that is in the answer says so; of several occurrences
// the one which has the number that it had when it was recorded. `at`: where it was.
std::optional<size_t> beginning(std::string_view recorded, std::string_view before, size_t at, std::string_view answer,
                                bool short_too) {
  if (before.size() < kAnchorBytesMin)  // the message begins so
    return answer.starts_with(before) ? std::optional<size_t>(before.size()) : std::nullopt;
  if (answer.size() >= at && answer.substr(0, at) == recorded.substr(0, at)) return at;
  for (size_t size = before.size(); size > 0; --size) {
    const std::string_view anchor = before.substr(before.size() - size);
    if (answer.find(anchor) == std::string_view::npos) continue;
    if (size < kAnchorBytesMin && (!short_too || !is_as_frequent(recorded, anchor, answer))) continue;
    const size_t found = nth(answer, anchor, ordinal(recorded, anchor, at));
    if (found != std::string_view::npos) return found + size;
  }
  return std::nullopt;
}

// Binary messages are built by offsets, so they come before contexts that are short.
std::optional<size_t> binary_beginning(std::string_view recorded, std::string_view before, size_t at,
                                       std::string_view answer) {
  if (answer.size() == recorded.size()) return at;
  const size_t near = std::min(before.size(), kAnchorBytesMin);
  if (answer.size() >= at && answer.substr(at - near, near) == before.substr(before.size() - near)) return at;
  const auto by_context = beginning(recorded, before, at, answer, false);
  return by_context || answer.size() < at ? by_context : std::optional<size_t>(at);
}

// Of a value whose size is not fixed: where what followed it follows again. A value that has the like of it inside has
// as many of them this time.
std::optional<size_t> ending(std::string_view recorded, const Echo& echo, std::string_view answer, size_t begin) {
  const std::string_view value = recorded.substr(echo.source.offset, echo.source.bytes);
  if (echo.after.empty()) return answer.size();
  for (size_t size = value.find(echo.after[0]) == std::string_view::npos ? 1 : echo.after.size(); size > 0; --size) {
    const std::string_view anchor = std::string_view(echo.after).substr(0, size);
    const size_t within = ordinal(recorded.substr(echo.source.offset), anchor, value.size() + size - 1);
    const size_t end = nth(answer.substr(begin), anchor, within + 1);
    if (end != std::string_view::npos) return begin + end;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::pair<size_t, size_t>> locate(ByteView recorded, const Echo& echo, ByteView answer) {
  if (uint64_t{echo.source.offset} + echo.source.bytes > recorded.size()) return std::nullopt;
  const size_t counter = echo.counted_by ? integer_bytes(*echo.counted_by) : 0;
  if (counter > echo.source.offset) return std::nullopt;
  const bool binary = counter > 0 || echo.fixed_size;
  const size_t at = echo.source.offset - counter;
  const auto found = binary ? binary_beginning(as_text(recorded), echo.before, at, as_text(answer))
                            : beginning(as_text(recorded), echo.before, at, as_text(answer), true);
  if (!found || *found + counter > answer.size()) return std::nullopt;
  const size_t begin = *found + counter;
  std::optional<size_t> end;
  if (counter > 0) {
    const uint64_t size = integer_at(*echo.counted_by, answer.data() + *found);
    end = size <= answer.size() ? begin + size : SIZE_MAX;
  } else {
    end = echo.fixed_size ? begin + echo.source.bytes : ending(as_text(recorded), echo, as_text(answer), begin);
  }
  if (!end || *end > answer.size() || *end <= begin) return std::nullopt;
  return std::pair(begin, *end);
}

std::optional<Form> counter_before(ByteView bytes, size_t begin, size_t size) {
  for (const Form form : {Form::be32, Form::le32, Form::be16, Form::le16, Form::u8}) {
    const size_t width = integer_bytes(form);
    if (width <= begin && integer_at(form, bytes.data() + begin - width) == size) return form;
  }
  return std::nullopt;
}

void take_context(ByteView recorded, Echo& echo) {
  const std::string_view text = as_text(recorded);
  const size_t end = size_t{echo.source.offset} + echo.source.bytes;
  const ByteView value = recorded.subspan(echo.source.offset, echo.source.bytes);
  echo.counted_by = is_text(value) ? counter_before(recorded, echo.source.offset, value.size()) : std::nullopt;
  if (echo.counted_by && is_text(recorded)) echo.counted_by.reset();
  const size_t begin = echo.source.offset - (echo.counted_by ? integer_bytes(*echo.counted_by) : 0);
  const size_t reach = std::min(begin, kContextBytes);
  echo.before = text.substr(begin - reach, reach);
  echo.after = text.substr(end, kContextBytes);
  const bool delimited = echo.after.empty() || is_text(static_cast<uint8_t>(echo.after[0]));
  echo.fixed_size = !echo.counted_by && (!is_text(value) || !delimited);
}

}  // namespace skep::replay
