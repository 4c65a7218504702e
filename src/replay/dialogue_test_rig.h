// For tests: recordings written down as what each side said.
#pragma once

#include <string_view>
#include <vector>

#include "replay/plan.h"

namespace skep::replay::test {

constexpr int64_t kBegin_ns = 1'790'000'000'000'000'000;

class Dialogue {
 public:
  Dialogue() : builder_("test") {
    RecordedConnection connection;
    connection.client = *parse_endpoint("192.0.2.7:40001");
    connection.server = *parse_endpoint("198.51.100.3:8080");
    connection.opened_ns = now_;
    builder_.connection(connection);
  }
  Dialogue& client(std::string_view bytes) { return says(Direction::to_bait, bytes); }
  Dialogue& server(std::string_view bytes) { return says(Direction::to_client, bytes); }
  // A second connection; what is said from now on is said there. 0: the first again.
  Dialogue& on(uint32_t connection) {
    connection_ = connection;
    return *this;
  }
  Dialogue& opens(std::string_view server) {
    RecordedConnection connection;
    connection.client = *parse_endpoint("192.0.2.7:40002");
    connection.server = *parse_endpoint(server);
    connection.opened_ns = now_ += 1'000'000;
    return on(builder_.connection(connection));
  }
  Recording take() { return builder_.take(); }

 private:
  Dialogue& says(Direction direction, std::string_view bytes) {
    builder_.piece(connection_, direction, now_ += 1'000'000, as_bytes(bytes));
    return *this;
  }
  RecordingBuilder builder_;
  int64_t now_ = kBegin_ns;
  uint32_t connection_ = 0;
};

// As if the target had said `answers`, by recorded message.
inline Surroundings as_recorded(const Recording& recording, const std::vector<Bytes>& answers) {
  Surroundings around;
  around.target = recording.connections[0].server;
  around.own = recording.connections[0].client;
  around.now_ns = recording.messages.empty() ? 0 : recording.messages[0].begun_ns;
  around.answers = &answers;
  return around;
}

inline std::vector<Bytes> recorded_answers(const Recording& recording) {
  std::vector<Bytes> answers(recording.messages.size());
  for (size_t i = 0; i < answers.size(); ++i) {
    if (recording.messages[i].direction == Direction::to_client) answers[i] = recording.messages[i].bytes;
  }
  return answers;
}

inline Bytes bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

}  // namespace skep::replay::test
