// A plan: which bytes of a recorded client's messages are not sent as they were recorded, and where their values come
// from when the dialogue is held again. Made from one recording, or from two of the same dialogue. Pure; any thread.
// Time and memory are linear in the recording's size; what is attackers' bytes costs no more than its length.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "replay/recording.h"

namespace skep::replay {

// How a value is written. The first group are bytes in disguise; a number is written in one of the second.
enum class Form : uint8_t {
  identity,
  percent,  // URL: %41, + for a blank as it was recorded
  hex_lower,
  hex_upper,
  base64,
  base64url,
  json,     // escapes of a JSON string
  html,     // character references
  utf16le,  // of ASCII
  // numbers
  decimal,
  hex_number,  // as chunk sizes are written
  le16,
  be16,
  le32,
  be32,
  le64,
  be64,
  u8,
  octet_pair,  // "4,1" is 1025: FTP's port; of an address: "192,0,2,1"
};

// Bytes of a recorded message.
struct Place {
  uint32_t message = 0;
  uint32_t offset = 0;
  uint32_t bytes = 0;
};

// The value is what the server said there, this time. It is found in the answer by what stood around it.
struct Echo {
  Place source;  // in a server's message before
  Form read = Form::identity;
  Form write = Form::identity;
  std::string before,
      after;  // what stood around it, at most kContextBytes each; fewer: the message begins or ends there
  // Constant bytes around what was read, written in the same form: base64 of "user:" and the value.
  std::string head, tail;
  std::optional<Form> counted_by;  // its length stands right before it, so written; `before` stands before that
  bool fixed_size = false;         // binary: as many bytes as were recorded; else to where `after` begins
};
constexpr size_t kContextBytes = 16;
// The number of bytes of [from, to) of the same message as it is sent, plus `plus`.
struct Length {
  std::optional<uint32_t> of_message;  // of another of the client's messages instead, which is sent later
  uint32_t from = 0, to = 0;
  int64_t plus = 0;
  Form write = Form::decimal;
  uint32_t width = 0;  // of text that is padded; 0: as many digits as it takes
  char pad = '0';
};
enum class ChecksumKind : uint8_t { crc32, crc16, adler32, ip_sum, xor8, sum8 };
struct Checksum {
  ChecksumKind kind = ChecksumKind::crc32;
  uint32_t from = 0, to = 0;
  Form write = Form::be32;
};
// An end of the recorded connection, to be written as it is this time.
enum class AddressOf : uint8_t { target_address, target_port, own_address, own_port, sink_port };
struct Address {
  AddressOf of = AddressOf::target_address;
  Form write = Form::identity;  // identity: text; be32/le32: in_addr; be16/le16: port
};
// The clock, in the unit in which it was written.
struct Clock {
  int64_t unit_ns = 1'000'000'000;
  Form write = Form::decimal;
};
// The client chose it; it is sent as it was.
struct Chosen {};
// It depends on something that could not be found: it is sent as it was, and no verdict can reassure.
struct Unresolved {
  bool crypto = false;  // a digest keyed with what the server said, an encrypted or signed part
};

struct Field {
  Place place;  // in a client's message
  std::variant<Echo, Length, Checksum, Address, Clock, Chosen, Unresolved> what;
  std::string why;  // for --explain: "echo of 16 bytes of message 3, hex", "half of the recordings …"
};

enum class Rung : uint8_t { two_recordings, echoes, as_recorded };
std::string_view to_string(Rung rung);  // "two-recordings" …
std::string_view to_string(Form form);
// "echo" "length" "checksum" "address" "time" "chosen" "unresolved" "crypto"
std::string_view kind_of(const Field& field);

// The service told the client where to open another connection.
struct NamedPort {
  uint32_t connection = 0;
  Echo port;  // `write` means nothing
};

struct Plan {
  Rung rung = Rung::as_recorded;
  std::vector<Field> fields;  // in order of their places; they do not overlap, but that a length may lie around others
  std::vector<NamedPort> named_ports;
  // Why the dialogue cannot be held again by sending bytes, in words ("TLS", "SSH key exchange", "SCRAM-SHA-256");
  // empty: nothing of the kind was seen.
  std::string crypto;
  bool gave_up_looking = false;  // a bound was met; `why` in words
  std::string why;

  std::vector<const Field*> unresolved() const;
};

// Bounds of planning; documented in docs/reference/replay.md.
constexpr size_t kFieldsMax = 4096;
constexpr size_t kPlannedBytesMax = size_t{64} << 20;  // of one recording; beyond: as recorded, and says so

Plan plan_as_recorded(const Recording& recording);
Plan plan_echoes(const Recording& recording);
// `other`: another recording of the same dialogue. Error: their messages cannot be laid side by side.
Result<Plan> plan_two_recordings(const Recording& recording, const Recording& other);

// The plan, and besides every length in the client's messages: for a recording of which bytes are going to be left out.
Plan with_all_lengths(const Recording& recording, const Plan& plan);

// What is known of this attempt when a message is made.
struct Surroundings {
  Endpoint target;
  Endpoint own;            // our end of the first connection
  uint16_t sink_port = 0;  // where call-backs are awaited; 0: nowhere
  int64_t now_ns = 0;      // realtime
  // By recorded message: what the server said this time. Empty: nothing.
  const std::vector<Bytes>* answers = nullptr;
};

// The client's message `message` as it is to be sent. Error: a value that it needs was not in the answer.
Result<Bytes> fill(const Recording& recording, const Plan& plan, uint32_t message, const Surroundings& around);
// Whether a server's message, as far as it has come, holds everything that later messages need of it.
bool holds_all_sources(const Recording& recording, const Plan& plan, uint32_t message, ByteView answer);
// The port that the service named in `answers` for the recorded connection `connection` (which the client opened to a
// port that the server had told); nullopt: the recorded one.
std::optional<uint16_t> named_port(const Recording& recording, const Plan& plan, uint32_t connection,
                                   const Surroundings& around);
// The plan for a person, a line a field.
std::string explain(const Recording& recording, const Plan& plan);

}  // namespace skep::replay
