#include "replay/lengths.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "base/ascii.h"
#include "replay/forms.h"
#include "replay/tokens.h"

namespace skep::replay {

namespace {

constexpr size_t kReach = 64;            // before a field, for a binary length of it
constexpr size_t kHeadBytes = 16;        // where a binary message has its own length
constexpr uint64_t kSlack = 16;          // between a length in 32 bits or more and the bytes that it counts
constexpr size_t kFieldsLookedAt = 256;  // of one binary message
constexpr uint64_t kGuessedMin = 8;      // a number that happens to be the size of the rest

bool may_resize(const Field& field) {
  if (const auto* const echo = std::get_if<Echo>(&field.what))
    return !echo->fixed_size || echo->write == Form::percent || echo->write == Form::json ||
           echo->write == Form::html || echo->write == Form::decimal || echo->write == Form::hex_number;
  if (const auto* const address = std::get_if<Address>(&field.what))
    return address->write == Form::identity || address->write == Form::decimal || address->write == Form::octet_pair;
  return std::holds_alternative<Clock>(field.what);
}

// The next occurrence behind positions that only rise: all of them together read the text once.
class Next {
 public:
  Next(std::string_view text, std::string_view wanted) : text_(text), wanted_(wanted) {}
  // Behind the occurrence.
  std::optional<size_t> behind(size_t at) {
    if (at < from_ || (found_ != std::string_view::npos && at > found_)) found_ = text_.find(wanted_, from_ = at);
    return found_ == std::string_view::npos ? std::nullopt : std::optional<size_t>(found_ + wanted_.size());
  }

 private:
  std::string_view text_, wanted_;
  size_t from_ = SIZE_MAX, found_ = std::string_view::npos;
};

// A client's message, and where its fields may change their size: in order, from and to.
struct Subject {
  Draft& draft;
  uint32_t message;
  ByteView bytes;
  std::vector<std::pair<uint32_t, uint32_t>> fields;
  std::optional<uint32_t> next;  // the client's next message on the connection
  bool next_resizes = false;
  Next line{as_text(bytes), "\n"};
  Next body{as_text(bytes), "\r\n\r\n"};

  std::string_view text() const { return as_text(bytes); }
  bool lies_around_one(size_t from, size_t to) const {
    const auto first = std::lower_bound(fields.begin(), fields.end(), from,
                                        [](const auto& field, size_t at) { return field.first < at; });
    return first != fields.end() && first->second <= to;
  }
};

// --- in text ---

struct Number {
  size_t begin, end;
  uint64_t value;
};

bool follows(std::string_view text, size_t at, std::string_view part) {
  return text.substr(std::min(at, text.size())).starts_with(part);
}

bool is_content_length(std::string_view text, size_t at) {
  constexpr std::string_view kName = "content-length:";
  while (at > 0 && text[at - 1] == ' ') --at;
  return at >= kName.size() && same_letters(as_bytes(text.substr(at - kName.size(), kName.size())), kName);
}

// Where the bytes begin that the number counts; nullopt: it does not look like a length.
std::optional<size_t> counted_from(Subject& subject, const Number& number) {
  const std::string_view text = subject.text();
  if (is_content_length(text, number.begin)) return subject.body.behind(number.end);
  const char before = number.begin > 0 ? text[number.begin - 1] : '\0';
  if (before == '{' && (follows(text, number.end, "}\r\n") || follows(text, number.end, "+}\r\n")))
    return subject.line.behind(number.end);                                       // IMAP
  if (before == '$' && follows(text, number.end, "\r\n")) return number.end + 2;  // Redis
  if (follows(text, number.end, ":") && number.end + 1 + number.value < text.size() &&
      text[number.end + 1 + number.value] == ',')
    return number.end + 1;  // netstring
  return std::nullopt;
}

void claim_number(const Subject& subject, const Number& number, size_t from, Form form, std::string_view why) {
  Length length;
  length.from = static_cast<uint32_t>(from);
  length.to = static_cast<uint32_t>(from + number.value);
  length.write = form;
  const ByteView digits = subject.bytes.subspan(number.begin, number.end - number.begin);
  if (digits.size() > 1 && digits[0] == '0') length.width = static_cast<uint32_t>(digits.size());
  subject.draft.claim({subject.message, static_cast<uint32_t>(number.begin), static_cast<uint32_t>(digits.size())},
                      length, std::string(why));
}

// The counted bytes are in the client's next message: it waits until the service wants them.
void claim_of_next(const Subject& subject, const Number& number) {
  const size_t size = subject.draft.bytes(*subject.next).size();
  if (!subject.next_resizes || number.value > size) return;
  Length length;
  length.of_message = subject.next;
  length.plus = static_cast<int64_t>(number.value) - static_cast<int64_t>(size);
  subject.draft.claim(
      {subject.message, static_cast<uint32_t>(number.begin), static_cast<uint32_t>(number.end - number.begin)}, length,
      "length of the next message");
}

// The rest of the message, but for the end of its last line, behind the end of the number's line.
bool is_size_of_rest(const Subject& subject, const Number& number, size_t from) {
  const size_t rest = subject.bytes.size() - std::min(from, subject.bytes.size());
  return number.value >= kGuessedMin && (number.value == rest || number.value + 1 == rest || number.value + 2 == rest);
}

void look_at_decimal(Subject& subject, const Number& number) {
  const std::string_view text = subject.text();
  if (const auto from = counted_from(subject, number)) {
    if (*from >= text.size() && subject.next) return claim_of_next(subject, number);
    if (*from + number.value <= text.size() && subject.lies_around_one(*from, *from + number.value))
      claim_number(subject, number, *from, Form::decimal, "length of what follows");
    return;
  }
  const size_t from = subject.line.behind(number.end).value_or(text.size());
  if (is_size_of_rest(subject, number, from) && subject.lies_around_one(from, from + number.value))
    claim_number(subject, number, from, Form::decimal, "length of the rest");
}

// A chunk of HTTP: its size stands at the beginning of a line, and a line ends behind its bytes.
void look_at_chunk(Subject& subject, size_t begin) {
  const std::string_view text = subject.text();
  size_t end = begin;
  while (end < text.size() && end < begin + 8 && hex_digit(static_cast<uint8_t>(text[end])) >= 0) ++end;
  if (end == begin || (!follows(text, end, "\r\n") && !follows(text, end, ";"))) return;
  const auto value = read_value(Form::hex_number, subject.bytes.subspan(begin, end - begin));
  const size_t from = subject.line.behind(end).value_or(text.size());
  const Number number{begin, end, std::get<uint64_t>(*value)};
  if (number.value == 0 || from + number.value > text.size() || !follows(text, from + number.value, "\r\n")) return;
  if (subject.lies_around_one(from, from + number.value))
    claim_number(subject, number, from, Form::hex_number, "size of a chunk");
}

void look_at_text(Subject& subject) {
  const ByteView bytes = subject.bytes;
  for (size_t at = 0; at < bytes.size(); ++at) {
    if (at >= 2 && bytes[at - 1] == '\n' && bytes[at - 2] == '\r') look_at_chunk(subject, at);
    if (!is_digit(bytes[at]) || (at > 0 && is_word(bytes[at - 1]))) continue;
    size_t end = at;
    while (end < bytes.size() && is_digit(bytes[end])) ++end;
    if (end - at > 9 || (end < bytes.size() && is_word(bytes[end]))) continue;
    look_at_decimal(subject, {at, end, std::get<uint64_t>(*read_value(Form::decimal, bytes.subspan(at, end - at)))});
    at = end - 1;
  }
}

// --- in binary ---

struct Width {
  Form form;
  size_t bytes;
};
constexpr Width kWidths[] = {{Form::be64, 8}, {Form::le64, 8}, {Form::be32, 4}, {Form::le32, 4},
                             {Form::be16, 2}, {Form::le16, 2}, {Form::u8, 1}};

// Eight bits have many values by chance: they are a length just before the field, or that of an ASN.1 structure.
bool may_be_octet(const Subject& subject, size_t at, std::pair<uint32_t, uint32_t> field) {
  if (at + 1 == field.first || at == 0) return true;
  const uint8_t tag = subject.bytes[at - 1];
  return tag == 0x30 || tag == 0x31 || (tag & 0xE0) == 0x60 || (tag & 0xE0) == 0xA0;
}

// Where the counted bytes end, if the value at `at` is a length of something around [begin, end).
std::optional<std::pair<size_t, int64_t>> counted_to(const Subject& subject, size_t at, const Width& width,
                                                     uint64_t value, std::pair<uint32_t, uint32_t> field) {
  const size_t from = at + width.bytes, size = subject.bytes.size();
  const auto exactly = [&](size_t to) { return value == to - from; };
  if (exactly(size)) return {{size, 0}};
  if (exactly(field.second)) return {{field.second, 0}};
  if (field.second < size && subject.bytes[field.second] == 0 && exactly(field.second + 1))
    return {{field.second + 1, 0}};
  if (at >= kHeadBytes || width.bytes == 1) return std::nullopt;
  if (value == size) return {{size, static_cast<int64_t>(from)}};  // it counts itself, and what stands before it
  const uint64_t rest = size - from;
  const uint64_t slack = value > rest ? value - rest : rest - value;
  if (width.bytes < 4 || slack > kSlack || value < kSlack) return std::nullopt;
  return {{size, static_cast<int64_t>(value - rest)}};
}

bool look_at_position(const Subject& subject, size_t at, std::pair<uint32_t, uint32_t> field) {
  for (const Width& width : kWidths) {
    if (at + width.bytes > field.first) continue;
    if (width.bytes == 1 && !may_be_octet(subject, at, field)) continue;
    const Place place{subject.message, static_cast<uint32_t>(at), static_cast<uint32_t>(width.bytes)};
    const uint64_t value = integer_at(width.form, subject.bytes.data() + at);
    const auto to = counted_to(subject, at, width, value, field);
    if (!to || !subject.draft.is_free(place)) continue;
    Length length;
    length.from = static_cast<uint32_t>(at + width.bytes);
    length.to = static_cast<uint32_t>(to->first);
    length.plus = to->second;
    length.write = width.form;
    return subject.draft.claim(place, length, "length of what lies around a field");
  }
  return false;
}

void look_at_binary(const Subject& subject) {
  for (size_t i = 0; i < std::min(kFieldsLookedAt, subject.fields.size()); ++i) {
    const auto& field = subject.fields[i];
    for (size_t at = 0; at < std::min<size_t>(kHeadBytes, field.first); ++at) look_at_position(subject, at, field);
    const size_t nearest = field.first - std::min<size_t>(field.first, kReach);
    for (size_t at = std::max(kHeadBytes, nearest); at < field.first; ++at) look_at_position(subject, at, field);
  }
}

}  // namespace

void claim_lengths(Draft& draft, bool of_any) {
  draft.sort();
  const auto count = static_cast<uint32_t>(draft.recording().messages.size());
  std::vector<std::vector<std::pair<uint32_t, uint32_t>>> resized(count);
  for (const Field& field : draft.fields()) {
    if (may_resize(field))
      resized[field.place.message].emplace_back(field.place.offset, field.place.offset + field.place.bytes);
  }
  for (uint32_t message = 0; of_any && message < count; ++message) {
    resized[message].clear();
    const auto size = draft.is_client(message) ? static_cast<uint32_t>(draft.bytes(message).size()) : 0;
    for (uint32_t at = 0; at < size; ++at) resized[message].emplace_back(at, at + 1);
  }
  std::vector<std::optional<uint32_t>> next(draft.recording().connections.size());
  for (uint32_t message = count; message-- > 0;) {
    if (!draft.is_client(message)) continue;
    std::optional<uint32_t>& behind = next[draft.recording().messages[message].connection];
    const bool next_resizes = behind && !resized[*behind].empty();
    if (!resized[message].empty() || next_resizes) {
      Subject subject{draft, message, draft.bytes(message), resized[message], behind, next_resizes};
      look_at_text(subject);
      if (!is_text(subject.bytes)) look_at_binary(subject);
    }
    behind = message;
  }
}

Plan with_all_lengths(const Recording& recording, const Plan& plan) {
  Draft draft(recording);
  for (const Field& field : plan.fields) draft.claim(field.place, field.what, field.why);
  claim_lengths(draft, true);
  Plan with = plan;
  with.fields = draft.take(plan.rung).fields;
  return with;
}

}  // namespace skep::replay
