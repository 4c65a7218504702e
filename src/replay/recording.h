// A recording: a session as a dialogue of messages, wherever it was recorded. Values only; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "model/session.h"

namespace skep::replay {

// One connection of the recorded dialogue. The first is the session itself; others belong to it: the client opened them
// to a port that the server had named (FTP's data), or the service opened them to the attacker (a call-back).
struct RecordedConnection {
  Protocol protocol = Protocol::tcp;
  Endpoint client;  // who opened it, and from where
  Endpoint server;  // as the client saw it
  bool by_service = false;
  int64_t opened_ns = 0;                   // realtime
  int64_t closed_ns = 0;                   // 0: it was open to the end of the recording
  EndReason end_reason = EndReason::open;  // where known
};

// A maximal run of bytes of one direction of one connection (the paper RolePlayer calls it an application data unit);
// over UDP one datagram.
struct Message {
  uint32_t connection = 0;  // index into Recording::connections
  Direction direction = Direction::to_bait;
  int64_t begun_ns = 0;        // realtime, of its first read
  int64_t ended_ns = 0;        // of its last
  uint64_t stream_offset = 0;  // of its first byte in its direction
  Bytes bytes;
  std::vector<uint32_t> reads;  // where each read ended, as offsets into `bytes`; the last is bytes.size()
  bool ends_direction = false;  // a FIN followed
  uint32_t fin_before = 0;      // … before this message of the recording began; it may have come long after its own
};

// What the host IDS said of the session when it was recorded.
struct RecordedAlert {
  Alert alert;
  uint32_t trigger = 0;  // index of the last client message that the service can have read by then
};

struct Recording {
  std::string name;     // the session's id, or "FILE#3" of a file with several
  std::string service;  // its name in the proxy's options; empty: not known
  std::vector<RecordedConnection> connections;
  std::vector<Message> messages;  // in the order in which they began
  std::vector<RecordedAlert> alerts;
  uint64_t lost_bytes = 0;  // that the recording lacks, in either direction
  bool cut_short = false;   // its end is not in it
  std::string cut_because;  // where it is cut short: why, in words

  bool empty() const;  // the client sent nothing
  size_t payload_bytes() const;
  // Of an attack the message that set it off, else the last one that the client sent. None where it is empty.
  std::optional<uint32_t> trigger() const;
};

// Puts pieces, as they come in order of time, together to messages. A piece of another direction or connection begins a
// new message; of UDP each piece is one.
class RecordingBuilder {
 public:
  explicit RecordingBuilder(std::string name);
  uint32_t connection(RecordedConnection connection);
  RecordedConnection& at(uint32_t connection);
  void piece(uint32_t connection, Direction direction, int64_t time_ns, ByteView bytes);
  // So many bytes of the direction are not in the recording; what comes next stands behind them.
  void lost(uint32_t connection, Direction direction, uint64_t bytes);
  void half_closed(uint32_t connection, Direction direction);
  // Once all pieces are there. `connection`: whose bytes its stream_offset counts.
  void alert(Alert alert, uint32_t connection = 0);
  // The first reason stays.
  void cut_short(std::string_view because);
  Recording& recording() { return recording_; }
  Recording take();

 private:
  Recording recording_;
  std::vector<uint64_t> offsets_;  // of each connection and direction
};

}  // namespace skep::replay
