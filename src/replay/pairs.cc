#include "replay/pairs.h"

#include <algorithm>
#include <array>

namespace skep::replay {

namespace {

constexpr size_t kBand = 64;             // messages that one of them may have more, at any point
constexpr size_t kMessagesMax = 16'384;  // of one, where the steps differ: a row of the table is a KiB
constexpr size_t kWordBytes = 8;
constexpr int kGap = -2;
constexpr int kNever = -(1 << 28);

bool are_alike(const Message& a, const Message& b) {
  return a.connection == b.connection && a.direction == b.direction;
}

// Of messages of one direction: whether they begin alike and are about as long.
int likeness(const Message& a, const Message& b) {
  if (!are_alike(a, b)) return kNever;
  const size_t common = std::min({a.bytes.size(), b.bytes.size(), kWordBytes});
  const auto differs =
      std::mismatch(a.bytes.begin(), a.bytes.begin() + static_cast<ptrdiff_t>(common), b.bytes.begin());
  const auto equal = static_cast<int>(differs.first - a.bytes.begin());
  const bool as_long = 2 * std::min(a.bytes.size(), b.bytes.size()) >= std::max(a.bytes.size(), b.bytes.size());
  return 1 + equal / 2 + (as_long ? 1 : 0);
}

}  // namespace

// Where both have the same steps each stands beside its like; else by Needleman and Wunsch in a band.
Pairs pairs_of(const Recording& one, const Recording& other) {
  const auto& ours = one.messages;
  const auto& theirs = other.messages;
  Pairs pairs(ours.size());
  if (std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end(), are_alike)) {
    for (uint32_t i = 0; i < ours.size(); ++i) pairs[i] = i;
    return pairs;
  }
  const size_t more = std::max(ours.size(), theirs.size()) - std::min(ours.size(), theirs.size());
  if (more > kBand || ours.size() > kMessagesMax) return pairs;
  constexpr size_t kWidth = 4 * kBand + 1;
  const auto column = [](size_t i, size_t j) { return j + 2 * kBand - i; };  // < kWidth within the band
  std::vector<std::array<int, kWidth>> scores(ours.size() + 1);
  for (auto& row : scores) row.fill(kNever);
  const auto at = [&](size_t i, size_t j) {
    return j + 2 * kBand >= i && column(i, j) < kWidth ? scores[i][column(i, j)] : kNever;
  };
  for (size_t i = 0; i <= ours.size(); ++i) {
    const size_t last = std::min(theirs.size(), i + 2 * kBand);
    for (size_t j = i > 2 * kBand ? i - 2 * kBand : 0; j <= last; ++j) {
      int best = i == 0 && j == 0 ? 0 : kNever;
      if (i > 0 && j > 0) best = std::max(best, at(i - 1, j - 1) + likeness(ours[i - 1], theirs[j - 1]));
      if (i > 0) best = std::max(best, at(i - 1, j) + kGap);
      if (j > 0) best = std::max(best, at(i, j - 1) + kGap);
      scores[i][column(i, j)] = std::max(best, kNever);
    }
  }
  for (size_t i = ours.size(), j = theirs.size(); i > 0 && j > 0;) {
    if (at(i, j) == at(i - 1, j) + kGap) {
      --i;
    } else if (at(i, j) == at(i, j - 1) + kGap) {
      --j;
    } else {
      pairs[--i] = static_cast<uint32_t>(--j);
    }
  }
  return pairs;
}

}  // namespace skep::replay
