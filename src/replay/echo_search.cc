#include "replay/echo_search.h"

#include <fmt/format.h>

#include <algorithm>

#include "replay/forms.h"
#include "replay/locate.h"
#include "replay/tokens.h"

namespace skep::replay {

namespace {

constexpr size_t kTried = 3;        // matches at one place
constexpr size_t kBlockBytes = 64;  // of the server's views, whose first segment is noted
constexpr uint32_t kEchoBytesMax = 64 << 10;
constexpr double kCountedBits = 5;  // of chance, in a string that stood behind its length: it is the server's to name

size_t bytes_of(const Recording& recording, Direction direction) {
  size_t sum = 0;
  for (const Message& message : recording.messages) sum += message.direction == direction ? message.bytes.size() : 0;
  return sum;
}

bool is_base64(Form form) {
  return form == Form::base64 || form == Form::base64url;
}

bool is_hex(Form form) {
  return form == Form::hex_lower || form == Form::hex_upper;
}

// A match may begin or end at `at`: no word is cut in two.
bool may_cut(const Views& views, const Segment& segment, uint32_t at, bool text) {
  if (at == segment.begin || at == segment.end) return true;
  return !text || !is_word(views.bytes()[at - 1]) || !is_word(views.bytes()[at]);
}

// Of base64 only whole groups have a place.
bool has_place(const Segment& segment, uint32_t at) {
  return !is_base64(segment.form) || (at - segment.begin) % 3 == 0 || at == segment.end;
}

// '=' at the end of base64.
bool is_padding(ByteView text, size_t at) {
  if (text[at] != '=' || at < 4) return false;
  while (at < text.size() && text[at] == '=') ++at;
  return at == text.size() || (is_delimiter(text[at]) && at % 4 == 0);
}

// As is_text(), but that a line's end is a number here.
bool is_shown(uint8_t byte) {
  return byte >= ' ' && byte < 0x7F;
}

bool is_edge(uint8_t byte) {
  return byte == 0x00 || byte == 0xFF;
}

// Views hold what they understood; a reader of the whole may see it otherwise.
bool says_the_same(const Echo& echo, ByteView read, ByteView wrote) {
  if (echo.read == Form::identity && echo.write == Form::identity) return true;
  auto value = read_value(echo.read, read);
  if (!value) return false;
  auto& bytes = std::get<Bytes>(*value);
  bytes.insert(bytes.begin(), echo.head.begin(), echo.head.end());
  bytes.insert(bytes.end(), echo.tail.begin(), echo.tail.end());
  return read_value(echo.write, wrote) == value;
}

}  // namespace

bool FormParts::holds(ByteView bytes, size_t at) const {
  const bool inside = at >= body || (at > query && at < query_end);
  return inside && at > 0 && bytes[at - 1] == '=';
}

FormParts form_in(std::string_view text) {
  FormParts parts;
  const size_t line = std::min(text.find('\n'), text.size());
  if (text.substr(0, line).find(" HTTP/1.") == text.npos) return parts;
  parts.query = std::min(text.find('?'), line);
  parts.query_end = line;
  const size_t head = text.find("\r\n\r\n");
  if (head != text.npos && head + 4 < text.size() && is_word(static_cast<uint8_t>(text[head + 4])))
    parts.body = head + 4;
  return parts;
}

EchoSearch::EchoSearch(Draft& draft)
    : draft_(draft),
      index_(bytes_of(draft.recording(), Direction::to_client)),
      said_by_client_(bytes_of(draft.recording(), Direction::to_bait)) {
  server_.reserve(bytes_of(draft.recording(), Direction::to_client));
}

void EchoSearch::run() {
  const auto count = static_cast<uint32_t>(draft_.recording().messages.size());
  for (uint32_t message = 0; message < count; ++message) draft_.is_client(message) ? look(message) : hear(message);
}

void EchoSearch::hear(uint32_t message) {
  const size_t first = server_.segments().size();
  server_.add(message, draft_.bytes(message));
  is_old_.resize(server_.bytes().size());
  note_segments();
  const uint8_t* const bytes = server_.bytes().data();
  uint8_t* const is_old = is_old_.data();
  for (size_t i = first; i < server_.segments().size(); ++i) {
    const Segment& segment = server_.segments()[i];
    for (uint32_t at = segment.begin; at + kGramBytes <= segment.end; ++at) {
      if (at + kAhead + kGramBytes <= segment.end) index_.expect(gram_at(bytes + at + kAhead));
      const uint32_t gram = gram_at(bytes + at);
      const bool old = said_by_client_.has(gram);
      is_old[at] = old ? 1 : 0;
      if (!old && tells(gram)) index_.insert(gram, at);
    }
  }
}

void EchoSearch::note_segments() {
  const auto& segments = server_.segments();
  uint32_t at = first_segment_.empty() ? 0 : first_segment_.back();
  while (first_segment_.size() * kBlockBytes < server_.bytes().size()) {
    const size_t begin = first_segment_.size() * kBlockBytes;
    while (at + 1 < segments.size() && segments[at + 1].begin <= begin) ++at;
    first_segment_.push_back(at);
  }
}

void EchoSearch::look(uint32_t message) {
  client_.clear();
  client_.add(message, draft_.bytes(message));
  form_ = form_in(as_text(draft_.bytes(message)));
  for (const Segment& segment : client_.segments()) look(segment);
  const uint8_t* const bytes = client_.bytes().data();
  for (const Segment& segment : client_.segments()) {
    for (uint32_t at = segment.begin; at + kGramBytes <= segment.end; ++at) {
      if (at + kAhead + kGramBytes <= segment.end) said_by_client_.expect(gram_at(bytes + at + kAhead));
      said_by_client_.insert(gram_at(bytes + at));
    }
  }
}

// What has been matched is not looked at again: so it stays linear where everything matches.
void EchoSearch::look(const Segment& segment) {
  uint32_t floor = segment.begin;
  for (uint32_t at = segment.begin; at + kGramBytes <= segment.end;) {
    Matches matches;
    const size_t count = matches_at(segment, at, floor, matches);
    if (count == 0) {
      ++at;
      continue;
    }
    for (size_t i = 0; i < std::min(count, kTried); ++i) {
      if (take(segment, matches[i])) break;
    }
    floor = matches[0].client + matches[0].bytes;
    at = std::max(at + 1, floor - static_cast<uint32_t>(kGramBytes) + 1);
  }
}

// The longest first; of equal ones the newest.
size_t EchoSearch::matches_at(const Segment& segment, uint32_t position, uint32_t floor, Matches& out) const {
  const uint32_t gram = gram_at(client_.bytes().data() + position);
  if (!tells(gram)) return 0;
  const uint8_t* const theirs = server_.bytes().data();
  size_t count = 0;
  uint32_t at = index_.newest(gram);
  for (size_t looked = 0; at != GramIndex::kNone && looked < kLookedAt; ++looked, at = index_.older(at)) {
    if (gram_at(theirs + at) != gram) continue;
    const Match match = extended(segment, {position, at, kGramBytes}, floor);
    size_t place = count++;
    for (; place > 0 && out[place - 1].bytes < match.bytes; --place) out[place] = out[place - 1];
    out[place] = match;
  }
  return count;
}

EchoSearch::Match EchoSearch::extended(const Segment& segment, Match match, uint32_t floor) const {
  const Segment& said = server_segment(match.server);
  const uint8_t* const mine = client_.bytes().data();
  const uint8_t* const theirs = server_.bytes().data();
  uint32_t end = match.client + match.bytes, other = match.server + match.bytes;
  while (end < segment.end && other < said.end && mine[end] == theirs[other]) ++end, ++other;
  while (match.client > floor && match.server > said.begin && mine[match.client - 1] == theirs[match.server - 1])
    --match.client, --match.server;
  match.bytes = end - match.client;
  return match;
}

const Segment& EchoSearch::server_segment(uint32_t position) const {
  const auto& segments = server_.segments();
  size_t at = first_segment_[position / kBlockBytes];
  while (at + 1 < segments.size() && segments[at + 1].begin <= position) ++at;
  return segments[at];
}

bool EchoSearch::take(const Segment& segment, Match match) {
  const Segment& said = server_segment(match.server);
  match = trimmed(segment, said, match);
  if (match.bytes < kGramBytes) return false;
  if (is_text(client_.view(match.client, match.client + match.bytes)) && !is_base64(segment.form))
    return take_words(segment, said, match);
  return take_binary(segment, said, match);
}

// To whole words on both sides; in the server's message also to the end of what stands behind its length, for there the
// next thing begins without a gap.
EchoSearch::Match EchoSearch::trimmed(const Segment& segment, const Segment& said, Match match) const {
  const bool text = is_text(client_.view(match.client, match.client + match.bytes));
  const auto whole = [&](uint32_t mine, uint32_t theirs) {
    return may_cut(client_, segment, mine, text && !is_hex(segment.form)) && has_place(said, theirs) &&
           may_cut(server_, said, theirs, text && !is_hex(said.form) && !is_base64(said.form));
  };
  const auto counted = [&] {
    return text && may_cut(client_, segment, match.client + match.bytes, true) &&
           counter_before(server_.view(said.begin, said.end), match.server - said.begin, match.bytes).has_value();
  };
  while (match.bytes > 0 && !whole(match.client, match.server)) ++match.client, ++match.server, --match.bytes;
  while (match.bytes > 0 && !whole(match.client + match.bytes, match.server + match.bytes) && !counted()) --match.bytes;
  return match;
}

// Zeroes at its ends stand in any binary message; some are kept, for a value's size is a multiple of four.
EchoSearch::Match EchoSearch::trimmed_binary(Match match) const {
  const uint8_t* const bytes = client_.bytes().data();
  uint32_t begin = match.client, end = match.client + match.bytes;
  while (begin < end && is_edge(bytes[begin])) ++begin;
  while (begin < end && is_edge(bytes[end - 1])) --end;
  while ((end - begin) % 4 != 0 && begin > match.client) --begin;
  while ((end - begin) % 4 != 0 && end < match.client + match.bytes) ++end;
  return {begin, match.server + (begin - match.client), end - begin};
}

// Strings that stand behind their length are values of their own, for they may be longer the next time.
bool EchoSearch::take_binary(const Segment& segment, const Segment& said, const Match& match) {
  const auto part = [&](uint32_t from, uint32_t to) {
    return Match{match.client + from, match.server + from, to - from};
  };
  const ByteView bytes = client_.view(match.client, match.client + match.bytes);
  const ByteView before = server_.view(said.begin, said.end);
  bool taken = false;
  uint32_t done = 0;
  for (uint32_t at = 0; at < bytes.size(); ++at) {
    if (!is_shown(bytes[at])) continue;
    uint32_t end = at;
    while (end < bytes.size() && is_shown(bytes[end])) ++end;
    const auto counter =
        end - at >= kGramBytes ? counter_before(before, match.server + at - said.begin, end - at) : std::nullopt;
    if (counter) {
      const auto width = static_cast<uint32_t>(std::min<size_t>(integer_bytes(*counter), at - done));
      taken |= take_piece(segment, said, trimmed_binary(part(done, at - width)));
      taken |= take_piece(segment, said, part(at, end), kCountedBits);
      done = end;
    }
    at = end;
  }
  return take_piece(segment, said, trimmed_binary(part(done, match.bytes))) || taken;
}

// A word at a time: what stands between them is the protocol's.
bool EchoSearch::take_words(const Segment& segment, const Segment& said, const Match& match) {
  const ByteView text = client_.view(match.client, match.client + match.bytes);
  bool taken = false;
  for (size_t at = 0; at < text.size(); ++at) {
    if (is_delimiter(text[at])) continue;
    size_t end = at;
    while (end < text.size() && (!is_delimiter(text[end]) || is_padding(text.subspan(at), end - at))) ++end;
    taken |= take_piece(segment, said,
                        {match.client + static_cast<uint32_t>(at), match.server + static_cast<uint32_t>(at),
                         static_cast<uint32_t>(end - at)});
    at = end;
  }
  return taken;
}

bool EchoSearch::take_piece(const Segment& segment, const Segment& said, const Match& piece, double bits) {
  if (piece.bytes < kGramBytes || piece.bytes > kEchoBytesMax || client_said_it(piece)) return false;
  const ByteView bytes = client_.view(piece.client, piece.client + piece.bytes);
  if (is_text(bytes) ? bits_of_chance(bytes) <= bits : !is_unguessable_binary(bytes)) return false;
  const Place place = client_.place(segment, piece.client, piece.client + piece.bytes);
  if (draft_.is_free(place)) return claim(segment, said, piece);
  if (segment.form != Form::identity) return false;
  bool taken = false;
  for (const Place& part : draft_.free_parts(place)) {  // around an address
    const uint32_t shift = part.offset - place.offset;
    const Match rest{piece.client + shift, piece.server + shift, part.bytes};
    const ByteView left = client_.view(rest.client, rest.client + rest.bytes);
    if (rest.bytes >= kGramBytes && bits_of_chance(left) > kGuessableBits) taken |= claim(segment, said, rest);
  }
  return taken;
}

bool EchoSearch::claim(const Segment& segment, const Segment& said, const Match& piece) {
  const Place source = server_.place(said, piece.server, piece.server + piece.bytes);
  Place place = client_.place(segment, piece.client, piece.client + piece.bytes);
  Echo echo;
  echo.source = source;
  echo.read = said.form;
  echo.write = segment.form;
  if (is_base64(segment.form)) {
    place = client_.place(segment, segment.begin, segment.end);
    echo.head = as_text(client_.view(segment.begin, piece.client));
    echo.tail = as_text(client_.view(piece.client + piece.bytes, segment.end));
  }
  const ByteView wrote = draft_.bytes(place), read = draft_.bytes(source);
  if (wrote.size() == read.size() && std::equal(wrote.begin(), wrote.end(), read.begin())) {
    echo.read = echo.write = Form::identity;
    echo.head.clear();
    echo.tail.clear();
  }
  if (echo.write == Form::identity && form_.holds(draft_.bytes(place.message), place.offset))
    echo.write = Form::percent;
  if (!says_the_same(echo, read, wrote)) return false;
  take_context(draft_.bytes(source.message), echo);
  std::string why = fmt::format("echo of {} bytes at {} of message {}", source.bytes, source.offset, source.message);
  if (echo.read != echo.write) why += fmt::format(", {} to {}", to_string(echo.read), to_string(echo.write));
  return draft_.claim(place, std::move(echo), std::move(why));
}

bool EchoSearch::client_said_it(const Match& match) const {
  for (uint32_t at = match.server; at + kGramBytes <= match.server + match.bytes; ++at) {
    if (is_old_[at] == 0) return false;
  }
  return true;
}

}  // namespace skep::replay
