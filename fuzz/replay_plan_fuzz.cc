// links: skep_replay
// Any two recordings: planning ends, fields lie within their messages and beside each other, and a service that answers
// as it did is sent what was sent. Any other answers are filled in or refused.
// A recording is a list of pieces: whose it is, how many bytes; or how far back in what was said before they stand.
#include <cstdio>
#include <cstdlib>

#include "replay/plan.h"

namespace {

using namespace skep;
using namespace skep::replay;

Recording recording_of(ByteReader in) {
  RecordingBuilder builder("fuzz");
  RecordedConnection connection;
  connection.client = *parse_endpoint("192.0.2.7:40001");
  connection.server = *parse_endpoint("10.0.0.3:80");
  builder.connection(connection);
  connection.server.port = 1025;
  builder.connection(connection);
  connection.by_service = true;
  connection.server = *parse_endpoint("192.0.2.7:4444");
  builder.connection(connection);
  Bytes said;
  for (int64_t time_ns = 1'790'000'000'000'000'000; in.left() > 0; time_ns += 1000) {
    const auto control = in.le<uint8_t>(), size = in.le<uint8_t>();
    ByteView bytes;
    if ((control & 0x40) != 0) {  // again
      const size_t back = std::min<size_t>(said.size(), size + 1u);
      bytes = ByteView(said).subspan(said.size() - back, std::min<size_t>(back, control & 0x3F));
    } else {
      bytes = in.raw(std::min<size_t>(size, in.left()));
    }
    const Bytes piece(bytes.begin(), bytes.end());
    said.insert(said.end(), piece.begin(), piece.end());
    builder.piece((control >> 1) % 3, (control & 1) != 0 ? Direction::to_client : Direction::to_bait, time_ns, piece);
  }
  return builder.take();
}

void require(bool held, int line = __builtin_LINE()) {
  if (held) return;
  std::fprintf(stderr, "line %d does not hold\n", line);
  std::abort();
}

void check_places(const Recording& recording, const Plan& plan) {
  const Place* before = nullptr;
  require(plan.fields.size() <= kFieldsMax);
  for (const Field& field : plan.fields) {
    const Place& place = field.place;
    require(place.message < recording.messages.size() && place.bytes > 0);
    require(uint64_t{place.offset} + place.bytes <= recording.messages[place.message].bytes.size());
    require(recording.messages[place.message].direction == Direction::to_bait);
    if (before != nullptr && before->message == place.message) require(before->offset + before->bytes <= place.offset);
    require(before == nullptr || before->message <= place.message);
    before = &place;
    if (const auto* const echo = std::get_if<Echo>(&field.what)) require(echo->source.message < place.message);
  }
}

Surroundings around(const Recording& recording, const std::vector<Bytes>& answers) {
  Surroundings out;
  out.target = recording.connections[0].server;
  out.own = recording.connections[0].client;
  out.answers = &answers;
  return out;
}

void check(const Recording& recording, const Plan& plan, const Recording& other) {
  check_places(recording, plan);
  explain(recording, plan);
  std::vector<Bytes> same(recording.messages.size()), others(recording.messages.size());
  for (uint32_t i = 0; i < recording.messages.size(); ++i) {
    if (recording.messages[i].direction == Direction::to_client) same[i] = recording.messages[i].bytes;
    if (i < other.messages.size()) others[i] = other.messages[i].bytes;
  }
  Surroundings as_recorded = around(recording, same), changed = around(recording, others);
  changed.target = *parse_endpoint("[2001:db8::1]:8080");
  changed.sink_port = 65535;
  for (uint32_t i = 0; i < recording.messages.size(); ++i) {
    as_recorded.now_ns = recording.messages[i].begun_ns;
    require(holds_all_sources(recording, plan, i, same[i]) || recording.messages[i].direction == Direction::to_bait);
    const auto out = fill(recording, plan, i, as_recorded);
    require(out && *out == recording.messages[i].bytes);
    (void)fill(recording, plan, i, changed);
  }
  for (uint32_t i = 0; i < recording.connections.size(); ++i) named_port(recording, plan, i, changed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4 || size > 16 << 10) return 0;
  const size_t middle = 1 + data[0] * (size - 1) / 256;
  const Recording one = recording_of(ByteReader(ByteView(data + 1, middle - 1)));
  const Recording two = recording_of(ByteReader(ByteView(data + middle, size - middle)));
  check(one, plan_as_recorded(one), two);
  check(one, plan_echoes(one), two);
  if (const auto plan = plan_two_recordings(one, two)) check(one, *plan, two);
  return 0;
}
