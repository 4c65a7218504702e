// Finds checksums beside the bytes that they are of.
#include <algorithm>
#include <optional>
#include <vector>

#include "replay/checksums.h"
#include "replay/forms.h"
#include "replay/tokens.h"

namespace skep::replay {

namespace {

constexpr size_t kBytesMax = 64 << 10;  // of the message that patterns are tried on
constexpr size_t kWeakHolds = 3;        // messages that one of eight bits must hold in

struct Kind {
  ChecksumKind kind;
  size_t bytes;
};
constexpr Kind kKinds[] = {{ChecksumKind::crc32, 4},  {ChecksumKind::adler32, 4}, {ChecksumKind::crc16, 2},
                           {ChecksumKind::ip_sum, 2}, {ChecksumKind::xor8, 1},    {ChecksumKind::sum8, 1}};
constexpr size_t kBefore[] = {0, 1, 2, 4, 8};          // bytes that a checksum at the end leaves out
constexpr size_t kPlaces[] = {0, 2, 4, 6, 8, 12, 16};  // where a checksum of what follows stands

// Where a checksum stands in a message of any size.
struct Pattern {
  Kind kind;
  Form form;
  bool at_end;
  size_t offset;        // at_end: where its bytes begin; else where it stands itself
  bool framed = false;  // in text: "$…#hh" of gdb, "$…*hh" of NMEA 0183
};

struct Found {
  Place place;
  Checksum sum;
};

std::vector<Form> forms_of(size_t bytes) {
  if (bytes == 4) return {Form::be32, Form::le32};
  if (bytes == 2) return {Form::be16, Form::le16};
  return {Form::u8};
}

std::optional<Found> framed(const Pattern& pattern, uint32_t message, ByteView bytes) {
  if (bytes.size() < 5 || bytes[0] != '$') return std::nullopt;
  const size_t mark = as_text(bytes).find_last_of("#*");
  if (mark == std::string_view::npos || mark + 3 > bytes.size()) return std::nullopt;
  Found found;
  found.place = {message, static_cast<uint32_t>(mark + 1), 2};
  found.sum = {pattern.kind.kind, 1, static_cast<uint32_t>(mark), pattern.form};
  return found;
}

std::optional<Found> place_of(const Pattern& pattern, uint32_t message, ByteView bytes) {
  if (pattern.framed) return framed(pattern, message, bytes);
  const size_t width = pattern.kind.bytes;
  if (bytes.size() <= pattern.offset + width) return std::nullopt;
  const size_t at = pattern.at_end ? bytes.size() - width : pattern.offset;
  const size_t from = pattern.at_end ? pattern.offset : pattern.offset + width;
  const size_t to = pattern.at_end ? at : bytes.size();
  Found found;
  found.place = {message, static_cast<uint32_t>(at), static_cast<uint32_t>(width)};
  found.sum = {pattern.kind.kind, static_cast<uint32_t>(from), static_cast<uint32_t>(to), pattern.form};
  return found;
}

bool holds(const Draft& draft, const Found& found) {
  const ByteView stands = draft.bytes(found.place);
  const uint64_t sum =
      checksum(found.sum.kind, draft.bytes(found.place.message).subspan(found.sum.from, found.sum.to - found.sum.from));
  const Form form = is_number(found.sum.write) ? found.sum.write : Form::hex_number;
  const auto value = read_value(form, stands);
  return value && std::get<uint64_t>(*value) == sum;
}

std::vector<Pattern> patterns() {
  std::vector<Pattern> out;
  for (const Kind& kind : kKinds) {
    for (const Form form : forms_of(kind.bytes)) {
      for (const size_t before : kBefore) out.push_back({kind, form, true, before});
      for (const size_t place : kPlaces) out.push_back({kind, form, false, place});
    }
    for (const Form form : {Form::hex_lower, Form::hex_upper}) {
      if (kind.bytes == 1) out.push_back({kind, form, false, 0, true});
    }
  }
  return out;
}

// Messages of one connection that have a field whose bytes may be others this time, the smallest first.
std::vector<uint32_t> changing(const Draft& draft, uint32_t connection) {
  std::vector<uint32_t> messages;
  for (const Field& field : draft.fields()) {
    const bool changes = std::holds_alternative<Echo>(field.what) || std::holds_alternative<Address>(field.what) ||
                         std::holds_alternative<Clock>(field.what);
    if (changes && draft.recording().messages[field.place.message].connection == connection)
      messages.push_back(field.place.message);
  }
  std::sort(messages.begin(), messages.end());
  messages.erase(std::unique(messages.begin(), messages.end()), messages.end());
  std::stable_sort(messages.begin(), messages.end(),
                   [&](uint32_t a, uint32_t b) { return draft.bytes(a).size() < draft.bytes(b).size(); });
  return messages;
}

size_t count_holding(const Draft& draft, const Pattern& pattern, uint32_t connection) {
  size_t count = 0;
  for (uint32_t message = 0; message < draft.recording().messages.size(); ++message) {
    if (!draft.is_client(message) || draft.recording().messages[message].connection != connection) continue;
    const auto found = place_of(pattern, message, draft.bytes(message));
    if (found && !holds(draft, *found)) return 0;
    count += found.has_value();
  }
  return count;
}

void claim_pattern(Draft& draft, const Pattern& pattern, const std::vector<uint32_t>& messages, uint32_t connection) {
  std::vector<Found> all;
  for (const uint32_t message : messages) {
    const auto found = place_of(pattern, message, draft.bytes(message));
    if (!found || !draft.is_free(found->place) || !holds(draft, *found)) return;
    all.push_back(*found);
  }
  const bool weak = pattern.kind.bytes == 1 && !pattern.framed;
  if (weak && count_holding(draft, pattern, connection) < kWeakHolds) return;
  for (const Found& found : all) draft.claim(found.place, found.sum, "checksum that holds in every such message");
}

}  // namespace

void claim_checksums(Draft& draft) {
  const auto tried = patterns();
  for (uint32_t connection = 0; connection < draft.recording().connections.size(); ++connection) {
    const std::vector<uint32_t> messages = changing(draft, connection);
    if (messages.empty() || draft.bytes(messages[0]).size() > kBytesMax) continue;
    for (const Pattern& pattern : tried) claim_pattern(draft, pattern, messages, connection);
  }
}

}  // namespace skep::replay
