// For tests: recordings and attempts made by hand.
#pragma once

#include <string>
#include <vector>

#include "replay/player.h"

namespace skep::replay {

// ">text" from the client, "<text" from the server. `trigger`: of the alert "shell"; -1: there is none.
inline Recording dialogue(const std::vector<std::string>& lines, int trigger = -1) {
  RecordingBuilder builder("test");
  RecordedConnection connection;
  connection.client = *parse_endpoint("192.0.2.9:4000");
  connection.server = *parse_endpoint("192.0.2.1:80");
  builder.connection(connection);
  int64_t now = 1'700'000'000'000'000'000;
  for (const std::string& line : lines)
    builder.piece(0, line[0] == '>' ? Direction::to_bait : Direction::to_client, now += 1'000'000,
                  as_bytes(line).subspan(1));
  Recording recording = builder.take();
  if (trigger >= 0) {
    Alert alert;
    alert.rule = "shell";
    alert.confidence = Confidence::exact;
    recording.alerts.push_back({alert, static_cast<uint32_t>(trigger)});
  }
  return recording;
}

inline Alert alert_named(const std::string& rule, bool crash = false) {
  Alert alert;
  alert.rule = rule;
  alert.crash = crash;
  alert.confidence = Confidence::exact;
  return alert;
}

inline Bytes bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

// An attempt that held the whole dialogue, as recorded, and saw nothing else.
inline Attempt attempt_as_recorded(const Recording& recording, const std::string& target = "192.0.2.7:80") {
  Attempt attempt;
  attempt.target = *parse_endpoint(target);
  attempt.triggered_ns = 1;
  attempt.ending = Ending::closed;
  attempt.alive_after = true;
  attempt.sent.resize(recording.messages.size());
  attempt.answers.resize(recording.messages.size());
  const uint32_t trigger = recording.trigger().value_or(0);
  for (uint32_t i = 0; i < recording.messages.size(); ++i) {
    const Message& message = recording.messages[i];
    if (message.direction == Direction::to_bait) {
      attempt.sent[i] = message.bytes;
      if (i <= trigger) attempt.steps_done = ++attempt.steps_total;
    } else {
      attempt.answers[i] = message.bytes;
      if (i > trigger) attempt.after.insert(attempt.after.end(), message.bytes.begin(), message.bytes.end());
    }
  }
  return attempt;
}

}  // namespace skep::replay
