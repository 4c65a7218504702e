#include "replay/recording.h"

#include <algorithm>
#include <utility>

#include "base/result.h"

namespace skep::replay {

bool Recording::empty() const {
  return std::none_of(messages.begin(), messages.end(), [](const Message& message) {
    return message.direction == Direction::to_bait && !message.bytes.empty();
  });
}

size_t Recording::payload_bytes() const {
  size_t sum = 0;
  for (const Message& message : messages) sum += message.bytes.size();
  return sum;
}

std::optional<uint32_t> Recording::trigger() const {
  if (!alerts.empty()) return alerts.front().trigger;
  for (size_t i = messages.size(); i-- > 0;) {
    if (messages[i].direction == Direction::to_bait && !messages[i].bytes.empty()) return static_cast<uint32_t>(i);
  }
  return std::nullopt;
}

RecordingBuilder::RecordingBuilder(std::string name) {
  recording_.name = std::move(name);
}

uint32_t RecordingBuilder::connection(RecordedConnection connection) {
  recording_.connections.push_back(connection);
  offsets_.resize(2 * recording_.connections.size());
  return static_cast<uint32_t>(recording_.connections.size() - 1);
}

RecordedConnection& RecordingBuilder::at(uint32_t connection) {
  SKEP_CHECK(connection < recording_.connections.size());
  return recording_.connections[connection];
}

void RecordingBuilder::piece(uint32_t connection, Direction direction, int64_t time_ns, ByteView bytes) {
  const bool datagram = at(connection).protocol == Protocol::udp;
  if (bytes.empty() && !datagram) return;
  const bool goes_on = !recording_.messages.empty() && !datagram &&
                       recording_.messages.back().connection == connection &&
                       recording_.messages.back().direction == direction && !recording_.messages.back().ends_direction;
  uint64_t& offset = offsets_[2 * connection + static_cast<size_t>(direction)];
  if (!goes_on) {
    Message begun;
    begun.connection = connection;
    begun.direction = direction;
    begun.begun_ns = time_ns;
    begun.stream_offset = offset;
    recording_.messages.push_back(std::move(begun));
  }
  Message& message = recording_.messages.back();
  message.bytes.insert(message.bytes.end(), bytes.begin(), bytes.end());
  message.reads.push_back(static_cast<uint32_t>(message.bytes.size()));
  message.ended_ns = time_ns;
  offset += bytes.size();
}

void RecordingBuilder::lost(uint32_t connection, Direction direction, uint64_t bytes) {
  SKEP_CHECK(connection < recording_.connections.size());
  offsets_[2 * connection + static_cast<size_t>(direction)] += bytes;
  recording_.lost_bytes += bytes;
}

void RecordingBuilder::cut_short(std::string_view because) {
  if (!std::exchange(recording_.cut_short, true)) recording_.cut_because = because;
}

void RecordingBuilder::half_closed(uint32_t connection, Direction direction) {
  for (size_t i = recording_.messages.size(); i-- > 0;) {
    Message& message = recording_.messages[i];
    if (message.connection != connection || message.direction != direction) continue;
    message.ends_direction = true;
    message.fin_before = static_cast<uint32_t>(recording_.messages.size());
    return;
  }
}

// What the service can have read by an alert: to the offset that the monitor saw, or what had begun to come by then;
// the later of the two, for a message too few would let a dialogue count as held that was not.
void RecordingBuilder::alert(Alert alert, uint32_t connection) {
  std::optional<uint32_t> trigger;
  for (uint32_t i = 0; i < recording_.messages.size(); ++i) {
    const Message& message = recording_.messages[i];
    if (message.direction != Direction::to_bait || message.bytes.empty()) continue;
    const bool read = message.connection == connection && message.stream_offset < alert.stream_offset;
    if (read || message.begun_ns <= alert.time_ns || !trigger) trigger = i;
  }
  if (!trigger) return;
  recording_.alerts.push_back({std::move(alert), *trigger});
}

Recording RecordingBuilder::take() {
  std::stable_sort(recording_.alerts.begin(), recording_.alerts.end(),
                   [](const RecordedAlert& a, const RecordedAlert& b) { return a.trigger < b.trigger; });
  return std::move(recording_);
}

}  // namespace skep::replay
