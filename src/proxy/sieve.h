// Sieve: which of a client's bytes go on, which wait until they are judged, and when a session goes no further. Pure:
// bytes with what the scanner has found in them come in, decisions come out; it forwards nothing and asks nobody the
// time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "formats/filter_options.h"
#include "payload/application.h"

namespace skep::proxy {

struct SieveOptions {
  formats::Hold hold = formats::Hold::none;
  size_t bytes_max = 8192;  // held at once
  int64_t ns_max = 500'000'000;
};

class Sieve {
 public:
  explicit Sieve(const SieveOptions& options) : options_(options) {}

  // How the scanner stands after these bytes.
  struct Sight {
    bool head_open = false;  // of an HTTP request, which is not whole yet
    bool blind = false;      // it looks at no more: nothing is worth waiting for
  };
  enum class Pass : uint8_t {
    forward,   // all that has come
    hold,      // but the last `held` bytes
    suppress,  // nothing more
  };
  struct Decision {
    Pass pass = Pass::forward;
    size_t held = 0;
    bool operator==(const Decision&) const = default;
  };
  // `known`: a rule that suppresses has fired.
  Decision came(ByteView bytes, bool known, const Sight& sight, int64_t now_ns);
  // What fires when the client's bytes are not the reason: the bait has answered, the client has finished. `unsent`:
  // bytes of the client that have not been forwarded; without any a rule comes too late. Nothing is held any more where
  // the client has finished.
  Decision answered(bool known, size_t unsent) const;
  Decision finished(bool known, size_t unsent);
  // Time has passed.
  Decision due(int64_t now_ns);

  int64_t due_ns() const { return held_ > 0 ? since_ns_ + options_.ns_max : 0; }  // 0: nothing is held
  // How often bytes went on unjudged, for there were too many, or they had waited too long.
  uint64_t given_up() const { return given_up_; }

 private:
  enum class Manner : uint8_t { undecided, none, head, line };
  Decision forward();
  void recognise(ByteView bytes);
  size_t open(ByteView bytes, const Sight& sight) const;

  const SieveOptions options_;
  std::array<uint8_t, payload::kApplicationBytes> first_{};  // of the stream, until the protocol is known
  uint8_t first_count_ = 0;
  Manner manner_ = Manner::undecided;
  size_t held_ = 0;
  int64_t since_ns_ = 0;  // the oldest of what is held has come
  uint64_t given_up_ = 0;
};

}  // namespace skep::proxy
