#include "payload/aho_corasick.h"

#include <algorithm>
#include <map>

#include "base/ascii.h"

namespace skep::payload {
namespace {

constexpr uint32_t kLast = uint32_t{1} << 31;  // marks the end of a node's outputs

struct Growing {
  std::map<uint8_t, uint32_t> edges;
  std::vector<uint32_t> outputs;
};

std::vector<Growing> trie_of(std::span<const Literal> literals) {
  std::vector<Growing> trie(1);
  for (uint32_t number = 0; number < literals.size(); ++number) {
    uint32_t at = 0;
    for (const char each : literals[number].bytes) {
      const auto [edge, fresh] =
          trie[at].edges.try_emplace(lower(static_cast<uint8_t>(each)), static_cast<uint32_t>(trie.size()));
      at = edge->second;
      if (fresh) trie.emplace_back();
    }
    trie[at].outputs.push_back(number);
  }
  return trie;
}

}  // namespace

AhoCorasick::AhoCorasick(std::span<const Literal> literals) : root_(256, 0) {
  const std::vector<Growing> trie = trie_of(literals);
  nodes_.resize(trie.size());
  for (size_t i = 0; i < trie.size(); ++i) {
    nodes_[i].first = static_cast<uint32_t>(edges_.size());
    nodes_[i].edges = static_cast<uint32_t>(trie[i].edges.size());
    for (const auto& [byte, to] : trie[i].edges) edges_.push_back({byte, to});
    if (trie[i].outputs.empty()) continue;
    nodes_[i].outputs = static_cast<uint32_t>(outputs_.size()) + 1;
    for (const uint32_t number : trie[i].outputs) outputs_.push_back(number);
    outputs_.back() |= kLast;
  }
  std::vector<uint32_t> queue;
  for (const auto& [byte, to] : trie[0].edges) {
    root_[byte] = to;
    queue.push_back(to);
  }
  // By depth: a node's fallback is shallower, and ready.
  for (size_t i = 0; i < queue.size(); ++i) {
    const uint32_t from = queue[i];
    for (const auto& [byte, to] : trie[from].edges) {
      Node& node = nodes_[to];
      node.fallback = step(nodes_[from].fallback, byte);
      const Node& fallback = nodes_[node.fallback];
      node.next_output = fallback.outputs != 0 ? node.fallback : fallback.next_output;
      queue.push_back(to);
    }
  }
}

uint32_t AhoCorasick::child(const Node& node, uint8_t byte) const {
  const auto begin = edges_.begin() + node.first;
  const auto end = begin + node.edges;
  const auto found =
      std::lower_bound(begin, end, byte, [](const Edge& edge, uint8_t wanted) { return edge.byte < wanted; });
  return found != end && found->byte == byte ? found->to : 0;
}

uint32_t AhoCorasick::step(uint32_t node, uint8_t byte) const {
  while (node != 0) {
    if (const uint32_t to = child(nodes_[node], byte); to != 0) return to;
    node = nodes_[node].fallback;
  }
  return root_[byte];
}

void AhoCorasick::scan(Stream& stream, ByteView bytes, const LiteralFound& found) const {
  for (size_t i = 0; i < bytes.size(); ++i) {
    stream.node = step(stream.node, lower(bytes[i]));
    for (uint32_t node = stream.node; node != 0; node = nodes_[node].next_output) {
      if (nodes_[node].outputs == 0) continue;
      for (size_t k = nodes_[node].outputs - 1;; ++k) {
        found.call(found.context, outputs_[k] & ~kLast, stream.offset + i + 1);
        if ((outputs_[k] & kLast) != 0) break;
      }
    }
  }
  stream.offset += bytes.size();
}

size_t AhoCorasick::database_bytes() const {
  return nodes_.size() * sizeof(Node) + edges_.size() * sizeof(Edge) + (root_.size() + outputs_.size()) * 4;
}

}  // namespace skep::payload
