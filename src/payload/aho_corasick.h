// The automaton of our own, where there is no Hyperscan: Aho and Corasick's (1975), over small letters. A literal that
// wants its case is reported in any: whoever asked looks again. Immutable; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "payload/literal.h"

namespace skep::payload {

class AhoCorasick {
 public:
  explicit AhoCorasick(std::span<const Literal> literals);

  struct Stream {
    uint32_t node = 0;
    uint64_t offset = 0;
  };
  void scan(Stream& stream, ByteView bytes, const LiteralFound& found) const;
  size_t database_bytes() const;

 private:
  struct Node {
    uint32_t first = 0;  // of its edges
    uint32_t edges = 0;
    uint32_t fallback = 0;
    uint32_t outputs = 0;      // first of them, one further; 0: none
    uint32_t next_output = 0;  // the nearest node along the fallbacks that has some
  };
  struct Edge {
    uint8_t byte = 0;
    uint32_t to = 0;
  };
  uint32_t step(uint32_t node, uint8_t byte) const;
  uint32_t child(const Node& node, uint8_t byte) const;

  std::vector<Node> nodes_;
  std::vector<Edge> edges_;
  std::vector<uint32_t> root_;     // 256: most steps begin there
  std::vector<uint32_t> outputs_;  // literals of a node, each list ended by kLast
};

}  // namespace skep::payload
