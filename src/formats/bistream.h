// Bistreams, as Dionaea writes them: a connection as a Python list of what each side sent. docs/formats/bistream.md has
// the grammar and worked bytes. Read as data, piece by piece, and never evaluated. One thread an object.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "model/session.h"

namespace skep::formats {

// What comments at its beginning say of a bistream that skep wrote; Dionaea's have none.
struct BistreamHead {
  Protocol protocol = Protocol::tcp;
  std::optional<Endpoint> client;
  std::optional<Endpoint> server;
  int64_t begun_ns = 0;  // 0: not said
};

constexpr size_t kBistreamPieceMax = size_t{64} << 20;

// True where text may be one, by its first bytes.
bool looks_like_bistream(std::string_view beginning);

class BistreamReader {
 public:
  // Fills the room and says how far; 0: the text is over.
  using Source = std::function<size_t(std::span<uint8_t> room)>;
  using Take = std::function<bool(Direction direction, ByteView bytes)>;  // false: no more is wanted

  explicit BistreamReader(Source source);
  // All of it. Error: why it could not be read further, with the line; what was read had been taken before, also the
  // beginning of a piece that is damaged.
  Status read(const Take& take);
  // What had been said of it by the first piece; then it is whole.
  const BistreamHead& head() const { return head_; }

 private:
  int peek();
  int next();
  bool skip_blank();  // comments too; false: the text is over
  tl::unexpected<Error> error(std::string_view words) const;
  tl::unexpected<Error> unexpected(std::string_view wanted);
  Status expect(char letter);
  void comment();
  Status begin();
  Result<bool> piece(const Take& take);  // false: no more
  Status word(std::string_view wanted);
  Status texts(Bytes& out);  // one after the other are one, as in Python
  Status text(Bytes& out);
  Status escape(Bytes& out);
  Status hex_escape(Bytes& out);
  Status octal_escape(int first, Bytes& out);

  Source source_;
  Bytes buffer_;
  size_t at_ = 0;
  size_t filled_ = 0;
  uint64_t line_ = 1;
  BistreamHead head_;
};

// Writes one. Each function: false where the sink takes nothing more.
class BistreamWriter {
 public:
  using Sink = std::function<bool(ByteView)>;
  explicit BistreamWriter(Sink sink) : sink_(std::move(sink)) {}
  bool begin(const BistreamHead& head);
  bool piece(Direction direction, ByteView bytes);
  bool end();

 private:
  Sink sink_;
  bool first_ = true;
};

}  // namespace skep::formats
