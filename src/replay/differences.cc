#include "replay/differences.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "replay/tokens.h"

namespace skep::replay {

namespace {

constexpr size_t kCellsMax = size_t{1} << 20;  // of the table; beyond, what lies between two anchors differs as a whole
constexpr size_t kAnchorBytes = 16;
constexpr size_t kBandMin = 64;
constexpr size_t kBridgeBytes = 2;  // equal ones between differing ones, of binary: they are so by chance

// Scores: what is equal counts by its bytes; a gap is dear to open and cheap to widen.
constexpr int kOther = -1, kOtherKind = -4, kOpen = -3, kWiden = -1;
constexpr int kNever = -(1 << 28);

struct Range {
  uint32_t from, to;
  uint32_t size() const { return to - from; }
};

// A word, or one byte that belongs to none.
std::vector<Range> tokens(ByteView bytes, Range range, bool text) {
  std::vector<Range> out;
  for (uint32_t at = range.from; at < range.to;) {
    uint32_t end = at + 1;
    if (text && is_word(bytes[at])) {
      while (end < range.to && is_word(bytes[end])) ++end;
    }
    out.push_back({at, end});
    at = end;
  }
  return out;
}

class Comparison {
 public:
  Comparison(ByteView one, ByteView other) : one_(one), other_(other), text_(is_text(one) && is_text(other)) {}

  std::vector<Difference> run() {
    if (std::equal(one_.begin(), one_.end(), other_.begin(), other_.end())) return {};
    Range a{0, static_cast<uint32_t>(one_.size())}, b{0, static_cast<uint32_t>(other_.size())};
    if (!text_ && a.to == b.to) {
      by_position();
    } else if (size_t{a.size()} * std::max<size_t>(1, b.size()) <= kCellsMax) {
      by_table(a, b);
    } else {
      by_anchors(a, b);
    }
    return merged();
  }

 private:
  void differ(Range a, Range b) {
    if (a.size() == 0 && b.size() == 0) return;
    if (!out_.empty() && out_.back().to == a.from && out_.back().other_to == b.from) {
      out_.back().to = a.to;
      out_.back().other_to = b.to;
    } else {
      out_.push_back({a.from, a.to, b.from, b.to});
    }
  }

  void by_position() {
    for (uint32_t at = 0; at < one_.size(); ++at) {
      if (one_[at] != other_[at]) differ({at, at + 1}, {at, at + 1});
    }
  }

  // Runs of 16 bytes that both have once hold the two beside each other; between them there is a table.
  void by_anchors(Range a, Range b) {
    std::unordered_map<std::string_view, uint32_t> places;
    const std::string_view one = as_text(one_), other = as_text(other_);
    for (uint32_t at = a.from; at + kAnchorBytes <= a.to; at += kAnchorBytes) {
      const auto [place, fresh] = places.emplace(one.substr(at, kAnchorBytes), at);
      if (!fresh) place->second = UINT32_MAX;  // more than once
    }
    uint32_t done = a.from, other_done = b.from;
    for (uint32_t at = b.from; at + kAnchorBytes <= b.to;) {
      const auto place = places.find(other.substr(at, kAnchorBytes));
      if (place == places.end() || place->second == UINT32_MAX || place->second < done) {
        ++at;
        continue;
      }
      uint32_t from = place->second, other_from = at;
      uint32_t to = from, other_to = at;
      while (to < a.to && other_to < b.to && one_[to] == other_[other_to]) ++to, ++other_to;
      while (from > done && other_from > other_done && one_[from - 1] == other_[other_from - 1]) --from, --other_from;
      if (text_) {
        while (from < to && from > done && is_word(one_[from])) ++from, ++other_from;
        while (to > from && to < a.to && is_word(one_[to - 1])) --to, --other_to;
      }
      by_table({done, from}, {other_done, other_from});
      done = to;
      other_done = other_to;
      at = std::max(at + 1, other_to);
    }
    by_table({done, a.to}, {other_done, b.to});
  }

  // Needleman and Wunsch with Gotoh's affine gaps, within a band around the diagonal, of what is left when the equal
  // beginning and end are taken off.
  void by_table(Range a, Range b) {
    cut_equal_ends(a, b);
    const std::vector<Range> ours = tokens(one_, a, text_), theirs = tokens(other_, b, text_);
    const size_t rows = ours.size(), columns = theirs.size();
    const size_t apart = rows > columns ? rows - columns : columns - rows;
    const size_t band = std::max(kBandMin, std::max(rows, columns) / 10) + apart;
    const size_t width = std::min(2 * band + 1, columns + 1);
    if (rows == 0 || columns == 0 || (rows + 1) * width > kCellsMax) return differ(a, b);
    fill_table(ours, theirs, band);
    walk_back(ours, theirs, a, b);
  }

  // Without cutting a word: it may go on otherwise.
  void cut_equal_ends(Range& a, Range& b) const {
    uint32_t head = 0, tail = 0;
    const uint32_t fewer = std::min(a.size(), b.size());
    while (head < fewer && one_[a.from + head] == other_[b.from + head]) ++head;
    while (text_ && head > 0 && is_word(one_[a.from + head - 1])) --head;
    a.from += head, b.from += head;
    while (tail < fewer - head && one_[a.to - 1 - tail] == other_[b.to - 1 - tail]) ++tail;
    while (text_ && tail > 0 && is_word(one_[a.to - tail])) --tail;
    a.to -= tail, b.to -= tail;
  }

  bool equal(Range a, Range b) const {
    const ByteView ours = one_.subspan(a.from, a.size()), theirs = other_.subspan(b.from, b.size());
    return std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end());
  }

  int score(Range a, Range b) const {
    if (equal(a, b)) return static_cast<int>(a.size()) + 1;
    return !text_ || is_word(one_[a.from]) == is_word(other_[b.from]) ? kOther : kOtherKind;
  }

  enum State : uint8_t { both = 0, ours_only = 1, theirs_only = 2 };

  void fill_table(const std::vector<Range>& ours, const std::vector<Range>& theirs, size_t band) {
    const size_t columns = theirs.size();
    band_ = band;
    width_ = std::min(2 * band + 1, columns + 1);
    from_.assign((ours.size() + 1) * width_, {both, both, both});
    using Scores = std::array<int, 3>;
    std::vector<Scores> above(columns + 1, {kNever, kNever, kNever}), row(columns + 1, {kNever, kNever, kNever});
    for (size_t i = 0; i <= ours.size(); ++i) {
      std::fill(row.begin(), row.end(), Scores{kNever, kNever, kNever});
      for (size_t j = first_column(i); j <= last_column(i, columns); ++j) {
        auto& from = from_[cell(i, j)];
        if (i == 0 && j == 0) row[0][both] = 0;
        const auto best = [](const Scores& scores, int open_a, int open_b, State a, State b) {
          // of leaving `both` by opening a gap, and of widening the one that is open
          return scores[a] + open_a >= scores[b] + open_b ? std::pair(scores[a] + open_a, a)
                                                          : std::pair(scores[b] + open_b, b);
        };
        if (i > 0) std::tie(row[j][ours_only], from[ours_only]) = best(above[j], kOpen, kWiden, both, ours_only);
        if (j > 0)
          std::tie(row[j][theirs_only], from[theirs_only]) = best(row[j - 1], kOpen, kWiden, both, theirs_only);
        if (i > 0 && j > 0) {
          const Scores& before = above[j - 1];
          const auto state = static_cast<State>(std::max_element(before.begin(), before.end()) - before.begin());
          row[j][both] = before[state] + score(ours[i - 1], theirs[j - 1]);
          from[both] = state;
        }
      }
      last_ = row[columns];
      above.swap(row);
    }
  }

  void walk_back(const std::vector<Range>& ours, const std::vector<Range>& theirs, Range a, Range b) {
    std::vector<std::pair<size_t, size_t>> equal;  // tokens, from the end
    size_t i = ours.size(), j = theirs.size();
    auto state = static_cast<State>(std::max_element(last_.begin(), last_.end()) - last_.begin());
    while (i > 0 || j > 0) {
      if (i == 0) state = theirs_only;
      if (j == 0) state = ours_only;
      const State before = from_[cell(i, j)][state];
      if (state == both) {
        if (score(ours[i - 1], theirs[j - 1]) > 0) equal.emplace_back(i - 1, j - 1);
        --i, --j;
      } else if (state == ours_only) {
        --i;
      } else {
        --j;
      }
      state = before;
    }
    uint32_t at = a.from, other_at = b.from;
    for (size_t k = equal.size(); k-- > 0;) {
      const Range ours_equal = ours[equal[k].first], theirs_equal = theirs[equal[k].second];
      differ({at, ours_equal.from}, {other_at, theirs_equal.from});
      at = ours_equal.to;
      other_at = theirs_equal.to;
    }
    differ({at, a.to}, {other_at, b.to});
  }

  size_t first_column(size_t i) const { return i > band_ ? i - band_ : 0; }
  size_t last_column(size_t i, size_t columns) const { return std::min(columns, i + band_); }
  size_t cell(size_t i, size_t j) const { return i * width_ + (j - std::min(j, first_column(i))) % width_; }

  // By chance some bytes between two differing ones are equal: in text what may stand within a token.
  bool is_bridge(const Difference& before, const Difference& behind) const {
    const ByteView between = one_.subspan(before.to, behind.from - before.to);
    if (!text_) return between.size() <= kBridgeBytes;
    return between.size() == 1 && !is_word(between[0]) && !is_delimiter(between[0]);
  }

  std::vector<Difference> merged() const {
    std::vector<Difference> out;
    for (const Difference& each : out_) {
      if (!out.empty() && is_bridge(out.back(), each)) {
        out.back().to = each.to;
        out.back().other_to = each.other_to;
      } else {
        out.push_back(each);
      }
    }
    return out;
  }

  ByteView one_, other_;
  bool text_;
  std::vector<Difference> out_;
  size_t band_ = 0, width_ = 0;
  std::vector<std::array<State, 3>> from_;  // by cell and state: the state before
  std::array<int, 3> last_{};
};

}  // namespace

std::vector<Difference> differences(ByteView one, ByteView other) {
  return Comparison(one, other).run();
}

}  // namespace skep::replay
