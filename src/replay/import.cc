#include "replay/import.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/text.h"

namespace skep::replay {
namespace {

constexpr uint64_t kSessionsBetweenTicks = 1000;
constexpr int64_t kFinishMs = 60'000;

// When it was over, as far as it is known.
int64_t end_of(const Recording& recording, int64_t begun_ns) {
  int64_t end_ns = std::max(begun_ns, recording.connections.front().closed_ns);
  for (const Message& message : recording.messages) end_ns = std::max(end_ns, message.ended_ns);
  return end_ns;
}

EndReason reason_of(const Recording& recording) {
  const RecordedConnection& connection = recording.connections.front();
  if (connection.end_reason != EndReason::open) return connection.end_reason;
  // Datagrams end by silence alone.
  const bool silent = connection.protocol == Protocol::udp && !recording.cut_short;
  return silent ? EndReason::timeout : EndReason::not_recorded;
}

// Bytes of the direction, with those that the recording lacks before its last message.
uint64_t bytes_of(const Recording& recording, Direction direction) {
  uint64_t bytes = 0;
  for (const Message& message : recording.messages) {
    if (message.direction == direction) bytes = std::max(bytes, message.stream_offset + message.bytes.size());
  }
  return bytes;
}

}  // namespace

Result<Importer> Importer::open(const std::string& folder) {
  auto archive = archive::Archive::open(folder, {});
  if (!archive) return wrap("import into an archive to which nobody writes", archive);
  auto reader = archive::Reader::open(folder);
  if (!reader) return tl::unexpected<Error>(reader.error());
  return Importer(std::move(*archive), std::move(*reader));
}

bool Importer::taken(SessionId id) {
  if (given_.contains(id)) return true;
  const auto found = before_.find(id);
  return found && *found;
}

bool Importer::note(SessionId id, int64_t time_ns, formats::NoteKind kind, std::string words) {
  return writer().note(id, time_ns, {kind, std::move(words)});
}

// Read by read: of those between a message's first and its last the times are not known.
bool Importer::add_messages(SessionId id, const Recording& recording) {
  const int64_t begun_ns = recording.connections.front().opened_ns;
  bool kept = true;
  for (const Message& message : recording.messages) {
    size_t from = 0;
    for (const uint32_t to : message.reads) {
      const bool last = to == message.bytes.size();
      kept &= writer().data(id, std::max(begun_ns, last ? message.ended_ns : message.begun_ns), message.direction,
                            ByteView(message.bytes).subspan(from, to - from));
      from = to;
    }
    if (message.ends_direction) kept &= writer().half_closed(id, message.ended_ns, message.direction);
  }
  return kept;
}

Result<SessionId> Importer::add(const Recording& recording, const std::string& service, const std::string& from) {
  SKEP_CHECK(recording.connections.size() == 1);
  const RecordedConnection& connection = recording.connections.front();
  const bool dated = connection.opened_ns > 0;
  const int64_t begun_ns = dated ? connection.opened_ns : now_realtime_ns();
  formats::OpenedEvent opened;
  opened.service = !service.empty() ? service : recording.service.empty() ? "imported" : recording.service;
  opened.client = connection.client;
  opened.proxy = connection.server;
  opened.protocol = connection.protocol;
  const SessionId id = writer().imported(begun_ns, opened, [this](SessionId each) { return taken(each); });
  given_.insert(id);
  bool kept = note(id, begun_ns, formats::NoteKind::other, fmt::format("imported from {}: {}", from, recording.name));
  if (!dated)
    kept &= note(id, begun_ns, formats::NoteKind::other, "when it was recorded is not known: its time is the import's");
  kept &= add_messages(id, recording);
  const int64_t end_ns = end_of(recording, begun_ns);
  if (recording.lost_bytes > 0)
    kept &= note(id, end_ns, formats::NoteKind::bytes_lost,
                 fmt::format("{} bytes are missing in the recording", recording.lost_bytes));
  if (recording.cut_short)
    kept &= note(id, end_ns, formats::NoteKind::other, "the recording is cut short: " + recording.cut_because);
  formats::ClosedEvent closed;
  closed.reason = reason_of(recording);
  closed.bytes_in = bytes_of(recording, Direction::to_bait);
  closed.bytes_out = bytes_of(recording, Direction::to_client);
  // What is missing behind the last message is taken for the client's.
  const uint64_t with_holes = recording.payload_bytes() + recording.lost_bytes;
  if (with_holes > closed.bytes_in + closed.bytes_out) closed.bytes_in = with_holes - closed.bytes_out;
  kept &= writer().closed(id, end_ns, closed);
  if (!kept) return fail("{}: the archive cannot keep it: is the disk full?", printable(recording.name));
  if (++since_tick_ % kSessionsBetweenTicks == 0) writer().tick();
  return id;
}

Status Importer::finish() {
  writer().tick();
  if (!writer().flush(kFinishMs)) return fail("the archive's files could not be written in time");
  archive_.reset();
  return {};
}

}  // namespace skep::replay
