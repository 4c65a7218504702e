#include "replay/views.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/ascii.h"
#include "replay/forms.h"
#include "replay/tokens.h"

namespace skep::replay {

namespace {

constexpr size_t kEncodedBytesMin = 8;  // of hex or base64; less stands anywhere

// Where the next such byte stands, from `at` on; the size: nowhere.
size_t next(ByteView bytes, size_t at, uint8_t c) {
  const void* const found = at < bytes.size() ? std::memchr(bytes.data() + at, c, bytes.size() - at) : nullptr;
  return found == nullptr ? bytes.size() : static_cast<size_t>(static_cast<const uint8_t*>(found) - bytes.data());
}
bool has(ByteView bytes, uint8_t c) {
  return next(bytes, 0, c) != bytes.size();
}

// How many bytes the escape at `at` takes; 0: none begins there.
size_t escape_size(ByteView bytes, size_t at, Form form) {
  const uint8_t c = bytes[at];
  if (form == Form::percent) return c == '%' ? 3 : c == '+' ? 1 : 0;
  if (form == Form::json) return c != '\\' ? 0 : at + 1 < bytes.size() && bytes[at + 1] == 'u' ? 6 : 2;
  if (c != '&') return 0;
  const ByteView near = bytes.subspan(at, std::min<size_t>(10, bytes.size() - at));
  const auto end = std::find(near.begin(), near.end(), ';');
  return end == near.end() ? 0 : static_cast<size_t>(end - near.begin()) + 1;
}

bool ends_run(uint8_t c, Form form) {
  if (form == Form::percent) return is_delimiter(c);
  if (form == Form::json) return c == '"' || c < ' ';
  return c == '<' || c == '>' || c == '"' || c == '\'' || c < ' ';
}

// Also the escape's own delimiter is in it: \" and &#39;
size_t run_end(ByteView bytes, size_t at, Form form) {
  while (at < bytes.size() && !ends_run(bytes[at], form)) at += std::max<size_t>(1, escape_size(bytes, at, form));
  return std::min(at, bytes.size());
}

std::optional<Form> hex_form(ByteView word) {
  if (word.size() < kEncodedBytesMin || word.size() % 2 != 0) return std::nullopt;
  bool upper = false, lower = false;
  for (const uint8_t c : word) {
    if (hex_digit(c) < 0) return std::nullopt;
    upper |= c >= 'A' && c <= 'F';
    lower |= c >= 'a' && c <= 'f';
  }
  return upper && !lower ? Form::hex_upper : Form::hex_lower;
}

}  // namespace

void Views::clear() {
  bytes_.clear();
  origins_.clear();
  segments_.clear();
}

// Of two ways to read the same bytes the one that explains more of them comes first.
void Views::add(uint32_t message, ByteView bytes) {
  message_ = message;
  if (has(bytes, '%')) escaped(bytes, Form::percent);
  if (has(bytes, '\\')) escaped(bytes, Form::json);
  if (has(bytes, '&') && has(bytes, ';')) escaped(bytes, Form::html);
  if (has(bytes, 0)) wide(bytes);
  raw(bytes);
  words(bytes);
}

void Views::reserve(size_t message_bytes) {
  bytes_.reserve(2 * message_bytes);
}

void Views::open(Form form) {
  open_ = {message_, form, static_cast<uint32_t>(bytes_.size()), 0, static_cast<uint32_t>(origins_.size())};
}

void Views::close(size_t origin_end) {
  open_.end = static_cast<uint32_t>(bytes_.size());
  segments_.push_back(open_);
  if (open_.form == Form::identity)
    bytes_.push_back(0);
  else
    put(0, origin_end);
}

void Views::drop() {
  bytes_.resize(open_.begin);
  origins_.resize(open_.origins);
}

void Views::raw(ByteView bytes) {
  open(Form::identity);
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  close(bytes.size());
}

// Only runs that hold an escape are looked at.
void Views::escaped(ByteView bytes, Form form) {
  const uint8_t lead = form == Form::percent ? '%' : form == Form::json ? '\\' : '&';
  size_t done = 0;
  for (;;) {
    size_t at = next(bytes, done, lead);
    if (at == bytes.size()) return;
    while (at > done && !ends_run(bytes[at - 1], form)) --at;
    const size_t end = std::max(run_end(bytes, at, form), at + 1);
    unescape(bytes, at, end, form);
    done = end;
  }
}

void Views::unescape(ByteView bytes, size_t at, size_t end, Form form) {
  open(form);
  bool any = false;
  while (at < end) {
    const size_t size = escape_size(bytes, at, form);
    const auto meant = size > 0 && at + size <= end ? read_value(form, bytes.subspan(at, size)) : std::nullopt;
    const bool is_escape = meant && (std::get<Bytes>(*meant).size() < size || bytes[at] == '+');
    if (is_escape) {
      for (const uint8_t byte : std::get<Bytes>(*meant)) put(byte, at);
      any |= bytes[at] != '+';
      at += size;
    } else {
      put(bytes[at], at);
      ++at;
    }
  }
  any ? close(end) : drop();
}

// Text in UTF-16, at least four characters of it.
void Views::wide(ByteView bytes) {
  const auto is_wide = [&](size_t i) {
    return i + 1 < bytes.size() && bytes[i + 1] == 0 && is_text(bytes[i]) && bytes[i] >= ' ';
  };
  for (size_t at = 0; at + 1 < bytes.size(); ++at) {
    at = next(bytes, at + 1, 0) - 1;
    if (!is_wide(at)) continue;
    size_t end = at;
    while (is_wide(end)) end += 2;
    if (end - at >= kEncodedBytesMin) {
      open(Form::utf16le);
      for (size_t i = at; i < end; i += 2) put(bytes[i], i);
      close(end);
    }
    at = end - 1;
  }
}

void Views::decoded(ByteView bytes, uint32_t from, uint32_t to, Form form) {
  const auto meant = read_value(form, bytes.subspan(from, to - from));
  if (!meant) return;
  const auto& value = std::get<Bytes>(*meant);
  open(form);
  const bool hex = form == Form::hex_lower || form == Form::hex_upper;
  bytes_.insert(bytes_.end(), value.begin(), value.end());
  origins_.resize(origins_.size() + value.size());
  uint32_t* const origins = origins_.data() + open_.origins;
  for (uint32_t i = 0; i < value.size(); ++i) origins[i] = from + (hex ? 2 * i : i / 3 * 4 + i % 3);
  close(to);
}

// Words that may be hex or base64.
void Views::words(ByteView bytes) {
  for (size_t at = 0; at < bytes.size(); ++at) {
    if (!is_base64_letter(bytes[at])) continue;
    size_t end = at;
    for (size_t part = at; end < bytes.size() && is_base64_letter(bytes[end]); ++end) {
      if (!is_word(bytes[end])) part = end + 1;
      if (end + 1 < bytes.size() && is_word(bytes[end + 1])) continue;
      const ByteView word = bytes.subspan(part, end + 1 - part);
      if (const auto form = hex_form(word))
        decoded(bytes, static_cast<uint32_t>(part), static_cast<uint32_t>(end + 1), *form);
    }
    word(bytes, static_cast<uint32_t>(at), static_cast<uint32_t>(end));
    at = end;
  }
}

void Views::word(ByteView bytes, uint32_t begin, uint32_t end) {
  const ByteView text = bytes.subspan(begin, end - begin);
  if (text.size() < kEncodedBytesMin - 2 || bits_of_chance(text) <= kGuessableBits) return;
  const bool url = has(text, '-') || has(text, '_');
  if (url && (has(text, '+') || has(text, '/'))) return;
  for (uint32_t padding = 0; padding < 2 && end < bytes.size() && bytes[end] == '='; ++padding) ++end;
  if (end - begin < kEncodedBytesMin || (end < bytes.size() && bytes[end] == '%')) return;
  decoded(bytes, begin, end, url ? Form::base64url : Form::base64);
}

}  // namespace skep::replay
