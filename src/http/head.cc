#include "http/head.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/ascii.h"
#include "http/kept_memory.h"

namespace skep::http {
namespace {

bool is_blank(uint8_t byte) {
  return byte == ' ' || byte == '\t';
}
// A header's line that begins with one belongs to the line before.
bool folds(uint8_t byte) {
  return is_blank(byte) || byte == 0;
}

size_t without_line_end(ByteView bytes, size_t from, size_t to) {
  while (to > from && (bytes[to - 1] == '\r' || bytes[to - 1] == '\n')) --to;
  return to;
}

// The same for capitals and small letters.
uint16_t letters_hash(ByteView name) {
  uint64_t hash = name.size();
  for (; !name.empty(); name = name.subspan(std::min<size_t>(8, name.size()))) {
    uint64_t letters = 0;
    std::memcpy(&letters, name.data(), std::min<size_t>(8, name.size()));
    hash = (hash ^ (letters | 0x2020'2020'2020'2020)) * 0x9e37'79b9'7f4a'7c15;
  }
  return static_cast<uint16_t>(hash >> 48);
}

bool same_letters_as(ByteView one, ByteView other) {
  return one.size() == other.size() &&
         std::equal(one.begin(), one.end(), other.begin(), [](uint8_t a, uint8_t b) { return lower(a) == lower(b); });
}

}  // namespace

void HeadBytes::add(ByteView bytes) {
  if (bytes_.empty()) {
    bytes_ = bytes;
  } else if (kept_.empty()) {
    bytes_ = ByteView(bytes_.data(), bytes_.size() + bytes.size());
  } else {
    kept_.insert(kept_.end(), bytes.begin(), bytes.end());
    bytes_ = kept_;
  }
}

void HeadBytes::keep() {
  if (bytes_.empty() || !kept_.empty()) return;
  kept_.assign(bytes_.begin(), bytes_.end());
  bytes_ = kept_;
}

void HeadBytes::clear() {
  bytes_ = {};
  empty(kept_);
}

bool HeadBytes::is_empty_line() const {
  return as_text(bytes_) == "\r\n" || as_text(bytes_) == "\n";
}

void Head::begin(const HeadBytes& bytes) {
  bytes_ = &bytes;
  empty(joined_);
  line_ = method_ = uri_ = protocol_ = open_ = {};
  line_size_ = lines_end_ = 0;
  empty(more_);
  fields_ = distinct_ = repetitions_ = 0;
  canonical_ = false;
}

void Head::read_line(size_t line_end) {
  const ByteView bytes = all();
  line_size_ = lines_end_ = line_end;
  const size_t end = without_line_end(bytes, 0, line_end);
  canonical_ = end + 2 == line_end && bytes[end] == '\r';
  line_ = slice(0, end);
  const auto skip = [&](size_t from, bool space) {
    while (from < end && is_space(bytes[from]) == space) ++from;
    return from;
  };
  const size_t method = skip(0, true);
  const size_t method_end = skip(method, false);
  method_ = slice(method, method_end);
  const size_t uri = skip(method_end, true);
  if (uri == end) return;
  // Up to a blank; to any other space only where there is no blank.
  const auto* const blank = static_cast<const uint8_t*>(std::memchr(bytes.data() + uri, ' ', end - uri));
  const size_t uri_end = blank != nullptr ? static_cast<size_t>(blank - bytes.data()) : skip(uri, false);
  uri_ = slice(uri, uri_end);
  const size_t protocol = skip(uri_end, true);
  if (protocol != end) protocol_ = slice(protocol, end);
}

Head::Line Head::read_header_line(size_t line_end) {
  const ByteView bytes = all();
  const size_t from = std::exchange(lines_end_, line_end);
  const size_t end = without_line_end(bytes, from, line_end);
  const bool with_cr = end + 2 == line_end && bytes[end] == '\r';
  canonical_ = canonical_ && with_cr;
  if (end == from && (with_cr || line_end == from + 1)) return close_last() ? Line::last : Line::one_too_many;
  if (end == from || folds(bytes[from])) {
    fold(from, end);
    return Line::header;
  }
  if (!close_open()) return Line::one_too_many;
  open_ = slice(from, end);
  return Line::header;
}

void Head::read_again() {
  const std::string_view text = as_text(all());
  read_line(text.find('\n') + 1);
  while (lines_end_ < text.size()) read_header_line(text.find('\n', lines_end_) + 1);
}

// A line that belongs to the one before, or to none.
void Head::fold(size_t from, size_t to) {
  canonical_ = false;
  if (!open_.there) {
    while (from < to && folds(all()[from])) ++from;
    open_ = slice(from, to);
    return;
  }
  if (!open_.joined) {
    const size_t begin = joined_.size();
    join(open_);
    open_ = slice(begin, joined_.size(), true);
  }
  join(slice(from, to));
  open_ = slice(open_.from, joined_.size(), true);
}

void Head::join(Slice more) {
  const size_t size = joined_.size();
  joined_.resize(size + more.size);
  std::ranges::copy(bytes_of(more), joined_.begin() + static_cast<std::ptrdiff_t>(size));
}

bool Head::close_open() {
  if (!open_.there) return true;
  const ByteView bytes = bytes_of(open_);
  const auto part = [this](size_t from, size_t to) {
    return slice(open_.from + from, open_.from + to, open_.joined != 0);
  };
  const size_t name_size = as_text(bytes).find(':');
  Field taken;
  if (name_size == std::string_view::npos || as_text(bytes.first(name_size)).find('\0') != std::string_view::npos) {
    // A value without a name.
    taken.name = part(0, 0);
    taken.value = part(0, bytes.size());
    canonical_ = false;
  } else {
    size_t name_end = name_size;
    while (name_end > 0 && is_blank(bytes[name_end - 1])) --name_end;
    size_t from = name_size + 1;
    while (from < bytes.size() && is_blank(bytes[from])) ++from;
    size_t to = bytes.size();
    while (to > from && is_blank(bytes[to - 1])) --to;
    taken.name = part(0, name_end);
    taken.value = part(from, to);
    canonical_ = canonical_ && name_end == name_size && from == name_size + 2 && bytes[name_size + 1] == ' ' &&
                 to == bytes.size();
  }
  taken.name_hash = letters_hash(bytes_of(taken.name));
  open_ = {};
  return take_field(taken);
}

bool Head::take_field(const Field& taken) {
  const ByteView name = bytes_of(taken.name);
  for (size_t i = 0; i < fields_; ++i) {
    const Field& each = field(i);
    if (each.name_hash != taken.name_hash || each.repeats || !same_letters_as(bytes_of(each.name), name)) continue;
    repeat(i, taken);
    return true;
  }
  if (distinct_ > kHeaders) return false;
  ++distinct_;
  append(taken);
  return true;
}

void Head::repeat(size_t first, const Field& taken) {
  canonical_ = false;
  if (std::exchange(field(first).repeated, true)) {
    if (repetitions_ == kRepetitions) return;
    ++repetitions_;
  }
  if (same_letters(bytes_of(taken.name), "content-length")) return;  // the first one counts
  size_t last = first;
  while (field(last).next != 0) last = field(last).next;
  field(last).next = fields_;
  append(taken);
  field(fields_ - 1U).repeats = true;
}

void Head::append(const Field& taken) {
  if (fields_ < kFew)
    few_[fields_] = taken;
  else
    more_.push_back(taken);
  ++fields_;
}

bool Head::close_last() {
  if (!close_open()) return false;
  if (distinct_ != fields_) join_repeated();
  return true;
}

bool Head::cut_short() {
  canonical_ = false;
  return close_last();
}

void Head::join_repeated() {
  for (size_t i = 0; i < fields_; ++i) {
    if (field(i).repeats || field(i).next == 0) continue;
    const size_t begin = joined_.size();
    join(field(i).value);
    for (size_t each = field(i).next; each != 0; each = field(each).next) {
      joined_.insert(joined_.end(), {',', ' '});
      join(field(each).value);
    }
    field(i).value = slice(begin, joined_.size(), true);
  }
}

std::optional<ByteView> Head::value(std::string_view name) const {
  for (size_t i = 0; i < fields_; ++i) {
    const Field& each = field(i);
    if (!each.repeats && each.name.size == name.size() && same_letters(bytes_of(each.name), name))
      return bytes_of(each.value);
  }
  return std::nullopt;
}

}  // namespace skep::http
