// What a session's scan goes by: rules whose first look was found and that are not decided yet, and what all its parts
// share. One thread at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "http/requests.h"
#include "payload/application.h"
#include "payload/compiled.h"
#include "payload/evaluate.h"
#include "payload/scanner.h"

namespace skep::payload {

// Which literals of a group were found since it was begun, and where each ended last.
class Findings {
 public:
  void begin(size_t literals) {
    if (ends_.size() < literals) {
      ends_.resize(literals);
      rounds_.resize(literals, 0);
    }
    found_.clear();
    ++round_;
  }
  LiteralFound taker() { return {&Findings::take, this}; }
  const std::vector<uint32_t>& found() const { return found_; }
  uint64_t end_of(uint32_t literal) const { return ends_[literal]; }

 private:
  static void take(void* context, uint32_t literal, uint64_t end) {
    auto& self = *static_cast<Findings*>(context);
    self.ends_[literal] = end;
    if (self.rounds_[literal] == self.round_) return;
    self.rounds_[literal] = self.round_;
    self.found_.push_back(literal);
  }

  std::vector<uint64_t> ends_;
  std::vector<uint64_t> rounds_;
  std::vector<uint32_t> found_;
  uint64_t round_ = 0;
};

struct Scratch::Parts {
  // What of the group's literals is in a buffer, or in the next piece of a stream: in `findings` until the next look.
  const Findings& look(const LiteralGroup& group, ByteView buffer) {
    findings.begin(group.literals.size());
    group.set.scan(buffer, literals, findings.taker());
    return findings;
  }
  const Findings& look(const LiteralGroup& group, LiteralStream& stream, ByteView piece) {
    findings.begin(group.literals.size());
    group.set.scan(stream, piece, literals, findings.taker());
    return findings;
  }

  LiteralScratch literals;
  ExpressionScratch expressions;
  http::Scratch http;
  Findings findings;
  std::vector<Hit> hits;
  uint64_t prepared = 0;  // the set that it is ready for
};

struct Candidate {
  uint32_t rule = 0;
  uint64_t seen_at = 0;  // where what was first looked for ended last
  Awaited awaited{};     // what it is left open for, where that is one content
};

class Candidates {
 public:
  static constexpr uint64_t kStays = UINT64_MAX;  // as seen_at: it goes out of no sight

  void add(uint32_t rule, uint64_t seen_at) {
    const auto found =
        std::find_if(all_.begin(), all_.end(), [rule](const Candidate& each) { return each.rule == rule; });
    if (found == all_.end()) {
      all_.push_back({rule, seen_at, {}});
    } else if (found->seen_at != kStays) {
      found->seen_at = seen_at;
    }
  }
  // Those for which `decided` is true are gone.
  template <typename Decided>
  void judge(Decided&& decided) {
    size_t kept = 0;
    for (size_t i = 0; i < all_.size(); ++i) {
      Candidate each = all_[i];
      if (!decided(each)) all_[kept++] = each;
    }
    all_.resize(kept);
  }
  void clear() { all_.clear(); }
  size_t bytes_held() const { return all_.capacity() * sizeof(Candidate); }

 private:
  std::vector<Candidate> all_;
};

// What a session's rules have come to.
class SessionRules {
 public:
  SessionRules(const RuleSet& rules, const Flow& flow, HostBits* hosts, int64_t now_ns)
      : rules_(rules), flow_(flow), hosts_(hosts), now_ns_(now_ns) {}

  const Compiled& compiled() const { return rules_.compiled(); }
  bool said(uint32_t rule) const { return std::binary_search(said_.begin(), said_.end(), rule); }
  // By its addresses, its ports, and what the client speaks.
  enum class Applies : uint8_t { no, undecided, yes };
  Applies applies(uint32_t rule) const;
  // It holds. False: not yet, for bits that it wants are not as it wants them.
  bool holds(uint32_t rule, uint64_t stream_offset, std::vector<Hit>& hits);
  // Bits have changed since this was last asked.
  bool bits_changed() { return std::exchange(bits_changed_, false); }

  // Holds a candidate against what there is. `base`: where in the stream its payload begins.
  Holds judge(Candidate& candidate, BufferSource& buffers, uint64_t offset, uint64_t base, Scratch::Parts& scratch);
  // More was looked at than its bytes are worth.
  bool exhausted(uint64_t stream_bytes) const { return counts.effort > kEffortLeast + kEffortAByte * stream_bytes; }

  Application application;
  ScanCounts counts;
  size_t bytes_held() const { return said_.capacity() * sizeof(uint32_t) + bits_.capacity() / 8; }

 private:
  // Some 20 ns each. What is not meant to be expensive takes a hundredth of one a byte.
  static constexpr uint64_t kEffortLeast = 200'000;
  static constexpr uint64_t kEffortAByte = 4;

  bool is_set(const BitUse& use) const;
  void leave(const BitUse& use);
  void leave_to_others(const BitUse& use);

  const RuleSet& rules_;
  const Flow flow_;
  HostBits* const hosts_;  // nullptr: none are kept
  const int64_t now_ns_;
  std::vector<uint32_t> said_;  // in order
  std::vector<bool> bits_;      // empty: none was ever set
  bool bits_changed_ = false;
};

}  // namespace skep::payload
