// Many literals looked for at once, in a buffer or in a stream that comes in pieces: by Hyperscan (or Vectorscan, which
// has its face), or by an automaton of our own where the build or the CPU has neither. Immutable; any thread, with a
// scratch of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "payload/aho_corasick.h"
#include "payload/hyperscan.h"

namespace skep::payload {

// Of a thread, for all sets that it was made ready for.
using LiteralScratch = HyperscanScratch;

// How far a stream has come; begins with the first piece that is scanned.
struct LiteralStream {
  HyperscanStream hyperscan;
  AhoCorasick::Stream built_in;
};

class LiteralSet {
 public:
  // An empty set finds nothing, and costs nothing. `streaming`: for pieces, else for whole buffers.
  static Result<LiteralSet> make(std::span<const Literal> literals, bool streaming, bool hyperscan);

  bool empty() const { return std::holds_alternative<std::monostate>(set_); }
  Status prepare(LiteralScratch& scratch) const;
  // A whole buffer.
  void scan(ByteView bytes, LiteralScratch& scratch, const LiteralFound& found) const;
  // The next piece of a stream.
  void scan(LiteralStream& stream, ByteView bytes, LiteralScratch& scratch, const LiteralFound& found) const;

  size_t stream_bytes() const;
  size_t database_bytes() const;

 private:
  std::variant<std::monostate, HyperscanSet, AhoCorasick> set_;
};

// Which engine a set is made for: "Hyperscan 5.4.0", "built-in".
std::string literal_engine(bool hyperscan);

}  // namespace skep::payload
