// A segment: an append-only file of records, in which the sessions of one shard lie interleaved in the order in which
// things happened. docs/formats/segment.md has the grammar and worked bytes. A record of a session names the place of
// the session's previous record, so that one session is read back without an index of its bytes. One writer; any number
// of readers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "model/session.h"
#include "model/tcp_leg.h"

namespace skep::formats {

// Where a record lies: number of the segment, byte offset in it. {0, 0} is nowhere (segments count from 1).
struct RecordPlace {
  uint32_t segment = 0;
  uint64_t offset = 0;
  auto operator<=>(const RecordPlace&) const = default;
  explicit operator bool() const { return segment != 0; }
};

enum class RecordType : uint8_t {
  opened = 1,       // OpenedEvent
  connected = 2,    // ConnectedEvent: the leg to the bait stands
  data = 3,         // bytes of one direction: of the stream, or one datagram
  half_closed = 4,  // one direction ended in order (FIN)
  served = 5,       // ServedEvent: the monitor's acknowledgement
  process = 6,      // ProcessEvent: fork, exec, exit of a process that serves the session
  alert = 7,        // model Alert
  note = 8,         // NoteEvent: what must be said of the log itself (unsupervised, bytes lost to a full disk …)
  closed = 9,       // ClosedEvent
  file = 10,        // FileEvent: a file that an alert concerns, and what became of its copy
  crash = 11,       // CrashEvent: what a crash alert's process was doing
  origin = 12,      // OriginEvent: what the session belongs to, who passed it on
  rule = 13,        // model RuleHit: a payload rule fired, and what was done about it
};
constexpr RecordType kLastRecordType = RecordType::rule;

struct OpenedEvent {
  std::string service;
  Endpoint client;    // the attacker
  Endpoint proxy;     // where it connected to
  SavedSyn syn = {};  // the attacker's
  Protocol protocol = Protocol::tcp;
};
struct ConnectedEvent {
  Endpoint proxy;  // our own end towards the bait: the port that names the session there
  Endpoint bait;
};
// At most one a session, where there is something to say.
struct OriginEvent {
  SessionId parent;   // the session of the same source that this one belongs to; 0: none
  Endpoint balancer;  // who told the client's address in its stead; port 0: nobody, it came itself
};
struct ServedEvent {
  uint64_t serial = 0;
  uint32_t pid = 0;
  uint32_t tid = 0;
};
enum class ProcessKind : uint8_t { fork = 0, exec = 1, exit = 2 };
struct ProcessEvent {
  ProcessKind kind = ProcessKind::fork;
  uint32_t pid = 0;
  uint32_t parent = 0;
  uint32_t status = 0;
  std::string exe;
};
enum class NoteKind : uint8_t {
  unsupervised = 1,
  supervised_again = 2,
  bytes_lost = 3,
  monitor_flooding = 4,
  cut = 5,
  other = 6,
  kernel_lost = 7,
  limit = 8  // the words are its name
};
struct NoteEvent {
  NoteKind kind = NoteKind::other;
  std::string words;
};
enum class FileState : uint8_t { coming = 0, stored = 1, not_stored = 2 };
// What the file is to its alert. Written: the session had it open to write before the alert.
enum class FileRole : uint8_t { program = 0, interpreter = 1, written = 2 };
// Of one file there is one record when it is told of, and where a copy comes another when that has come or never will.
struct FileEvent {
  uint64_t alert = 0;  // its id
  uint32_t pid = 0;    // of the alert
  std::string path;    // as it was named to the kernel
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t bytes = 0;   // its size
  uint64_t copied = 0;  // bytes of the copy: fewer than `bytes` where it is the file's beginning
  std::string sha256;   // of the copy, hexadecimal; empty: there is none
  FileState state = FileState::coming;
  std::string why;  // what is lacking, or else must be said of it
  FileRole role = FileRole::program;
  uint64_t left_out = 0;  // written, then of no file: so many more were written than are told
};
struct CrashEvent {
  uint64_t alert = 0;
  CrashState state;
};
struct ClosedEvent {
  EndReason reason = EndReason::open;
  uint64_t bytes_in = 0;       // received from the attacker
  uint64_t bytes_out = 0;      // received from the bait
  uint64_t forwarded_in = 0;   // passed on to the bait
  uint64_t forwarded_out = 0;  // passed on to the attacker
  // Where the leg stood.
  std::optional<TcpFigures> client_leg;
  std::optional<TcpFigures> bait_leg;
};

struct Record {
  SessionId session;
  RecordType type = RecordType::note;
  Direction direction = Direction::to_bait;  // data, half_closed
  int64_t time_ns = 0;                       // realtime
  uint64_t stream_offset = 0;                // data: of the first byte in its direction; alert, rule: see there
  RecordPlace previous;                      // of the same session
  ByteView payload;                          // borrowed; data: the bytes; else one of the events, encoded
};

constexpr size_t kSegmentHeaderBytes = 32;
constexpr size_t kRecordHeaderBytes = 56;
constexpr size_t kPayloadBytesMax = 1 << 20;

Bytes encode_segment_header(uint32_t number, int64_t created_ns);
// The segment's number, or why it is no segment.
Result<uint32_t> decode_segment_header(ByteView bytes);

// Appends the record as it lies in the file. The payload must fit kPayloadBytesMax.
void encode_record(const Record& record, Bytes& out);
// To `at`, where there must be room for kRecordHeaderBytes and the payload, which lies elsewhere.
void encode_record(const Record& record, uint8_t* at);

// torn: the bytes end within it, as after a crash; blank: nothing was written here yet
enum class RecordProblem { none, torn, damaged, blank };
struct DecodedRecord {
  Record record;
  size_t bytes = 0;  // header and payload
  RecordProblem problem = RecordProblem::none;
};
// The record at the start of `bytes`; its payload borrows them.
DecodedRecord decode_record(ByteView bytes);

}  // namespace skep::formats
