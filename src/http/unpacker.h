// gzip and deflate, unpacked byte by byte of what comes in: which packed byte brought what is then known, however they
// were cut. As libhtp does it: what says deflate and is gzip (or the other way round) is tried as that, and what is
// neither is given on as it is. One thread at a time.
#pragma once

#include <zlib.h>

#include "base/bytes.h"
#include "http/framing.h"

namespace skep::http {

class Unpacker {
 public:
  static constexpr size_t kBytes = 48 * 1024;  // that one holds: zlib's window and state

  explicit Unpacker(Packing packing);
  ~Unpacker();
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;

  // Calls give(ByteView), which says whether it wants more of what this byte brings.
  template <typename Give>
  void take(uint8_t packed, Give give) {
    next(packed);
    for (ByteView out = more(); !out.empty(); out = more())
      if (!give(out)) return;
  }

 private:
  enum class State : uint8_t { packed, plain, over };
  void next(uint8_t packed);
  ByteView more();
  void start();
  void stop();
  void try_another();

  static constexpr size_t kTried = 512;  // so far in, packed bytes that brought nothing can be looked at again
  Packing packing_;
  State state_ = State::packed;
  bool started_ = false;
  bool other_ = false;    // the other packing is tried
  bool brought_ = false;  // something came out
  z_stream stream_{};
  Bytes in_;          // all, as long as nothing came out
  uint8_t last_ = 0;  // of what came in
  uint8_t out_[4096];
};

}  // namespace skep::http
