// The body of an HTTP request in the client's bytes: where it ends, without the marks of chunks, unpacked. One thread
// at a time.
#pragma once

#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "http/framing.h"
#include "http/requests.h"
#include "http/unpacker.h"

namespace skep::http {

class Body {
 public:
  explicit Body(const Limits& limits) : limits_(limits) {}

  void start(const BodyKind& kind);
  // How many of the bytes belong to it. Calls give(ByteView, bytes used until then).
  template <typename Give>
  size_t take(ByteView bytes, Give give) {
    size_t used = 0;
    while (used < bytes.size() && !done() && why_.empty()) {
      const Piece piece = next(bytes.subspan(used));
      if (piece.content) unpack(bytes.subspan(used, piece.size), used, give);
      used += piece.size;
    }
    return used;
  }
  // Of a request that does not say how long its body is, these belong to it.
  template <typename Give>
  void add(ByteView bytes, Give give) {
    unpack(bytes, 0, give);
  }
  bool done() const { return at_ == At::end; }
  std::string_view why() const { return why_; }  // it can not be read any further; "": it can
  size_t bytes_held() const { return unpacker_ ? Unpacker::kBytes : 0; }

 private:
  enum class At : uint8_t { content, chunk_size, chunk, chunk_end, trailer, end };
  struct Piece {
    size_t size = 0;
    bool content = false;
  };
  Piece next(ByteView bytes);
  Piece content(ByteView bytes, At then);
  Piece chunk_size(ByteView bytes);
  Piece trailer(ByteView bytes);
  size_t clipped(size_t size);

  template <typename Give>
  void unpack(ByteView packed, size_t before, Give give) {
    if (!unpacker_) {
      packed_ += packed.size();
      if (const size_t size = clipped(packed.size())) give(packed.first(size), before + size);
      return;
    }
    for (size_t i = 0; i < packed.size() && given_ < limits_.body_bytes && packed_ < limits_.body_bytes; ++i) {
      ++packed_;
      unpacker_->take(packed[i], [&](ByteView out) {
        const size_t size = clipped(out.size());
        if (size != 0) give(out.first(size), before + i + 1);
        return size == out.size();
      });
    }
  }

  const Limits limits_;
  At at_ = At::end;
  uint64_t left_ = 0;       // of the content or chunk
  bool digits_ = false;     // of a chunk's size have come
  bool size_done_ = false;  // what follows in its line is none of it
  size_t line_ = 0;         // of a trailer's line so far; more than a CR counts as two
  uint64_t packed_ = 0;
  uint64_t given_ = 0;
  std::unique_ptr<Unpacker> unpacker_;
  std::string_view why_;
};

}  // namespace skep::http
