// Attacks as honeytrap writes them in JSON: one object with `attacks`, an array of them, or one object a line. Read
// piece by piece: memory is one attack's. What is damaged is left out and named. One thread a call.
// https://github.com/armedpot/honeytrap, its modules that report attacks in JSON.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "model/session.h"

namespace skep::formats {

// What one end sent, as far as it is there. Where it does not agree with what is said of it, `doubts` has a word.
struct HoneytrapPayload {
  Bytes bytes;
  uint64_t length = 0;              // as it is said
  std::vector<std::string> doubts;  // "md5_hash does not agree with data_hex"
};

struct HoneytrapAttack {
  std::string protocol;  // "tcp"; "ip" where there was no connection
  Endpoint remote;       // the attacker
  Endpoint local;
  int64_t start_ns = 0;  // realtime; 0: not said
  int64_t end_ns = 0;
  HoneytrapPayload received;  // from the attacker
  HoneytrapPayload proxied;   // from the host to which honeytrap passed the connection on
};

constexpr size_t kHoneytrapPayloadMax = size_t{64} << 20;

// True where text may be such JSON, by its first bytes.
bool looks_like_honeytrap(std::string_view beginning);

struct HoneytrapRead {
  uint64_t attacks = 0;
  std::vector<std::string> damage;  // why something could not be read, with the line; the first kDamageMax
  uint64_t damages = 0;
  static constexpr size_t kDamageMax = 100;
};

// `source` fills the room and says how far; 0: the text is over. `take`: false, no more is wanted.
HoneytrapRead read_honeytrap(const std::function<size_t(std::span<uint8_t> room)>& source,
                             const std::function<bool(HoneytrapAttack&&)>& take);

}  // namespace skep::formats
