#include "replay/pace.h"

#include <algorithm>

namespace skep::replay {
namespace {

constexpr int64_t kDelayTimes = 3;     // the recorded delay, for which an effect is awaited
constexpr int64_t kTookTimes = 2;      // what an answer took
constexpr int64_t kLackingTimes = 10;  // the silence that is enough for an answer which lacks nothing

int64_t ms(uint32_t milliseconds) {
  return int64_t{milliseconds} * 1'000'000;
}

}  // namespace

int64_t Pace::span_ns(int64_t from_ns, int64_t to_ns) const {
  if (to_ns <= from_ns) return 0;
  const uint64_t span = static_cast<uint64_t>(to_ns) - static_cast<uint64_t>(from_ns);
  return static_cast<int64_t>(std::min(span, static_cast<uint64_t>(ms(options_.attempt_ms_max))));
}

int64_t Pace::pause_ns(uint32_t message) const {
  const auto& messages = recording_.messages;
  return message == 0 ? 0 : span_ns(messages[message - 1].ended_ns, messages[message].begun_ns);
}

int64_t Pace::patience_ns(uint32_t message) const {
  const auto& messages = recording_.messages;
  const int64_t took_ns = message == 0 ? 0 : span_ns(messages[message - 1].ended_ns, messages[message].ended_ns);
  return std::max(ms(options_.answer_timeout_ms), kTookTimes * took_ns);
}

// A service that took its time in the middle of the answer may take it again.
int64_t Pace::quiet_ns(uint32_t message, size_t came, bool lacking) const {
  const Message& recorded = recording_.messages[message];
  const int64_t took_ns = came < recorded.bytes.size() ? span_ns(recorded.begun_ns, recorded.ended_ns) : 0;
  const int64_t quiet_ns = std::max(ms(options_.quiet_ms), kTookTimes * took_ns) * (lacking ? kLackingTimes : 1);
  return std::min(quiet_ns, std::max(ms(options_.quiet_ms), ms(options_.answer_timeout_ms)));
}

// To its alerts; where there are none, to the last that the service said.
int64_t Pace::listening_ns(uint32_t trigger) const {
  const int64_t from_ns = recording_.messages[trigger].ended_ns;
  int64_t delay_ns = 0;
  for (const RecordedAlert& each : recording_.alerts)
    delay_ns = std::max(delay_ns, span_ns(from_ns, each.alert.time_ns));
  for (size_t i = trigger; i < recording_.messages.size() && recording_.alerts.empty(); ++i) {
    const Message& message = recording_.messages[i];
    if (message.direction == Direction::to_client) delay_ns = std::max(delay_ns, span_ns(from_ns, message.ended_ns));
  }
  return std::max(ms(options_.after_ms), kDelayTimes * delay_ns);
}

int64_t Pace::last_end_ns() const {
  return span_ns(recording_.messages.back().ended_ns, recording_.connections[0].closed_ns);
}

}  // namespace skep::replay
