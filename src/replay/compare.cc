#include "replay/compare.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/ascii.h"

namespace skep::replay {
namespace {

constexpr size_t kTokensMax = 400;          // of one answer that are compared; the square of it is the cost
constexpr size_t kSaidTokensMax = 1 << 16;  // of what we said ourselves, which is only looked up
constexpr double kLeastShare = 0.5;
constexpr size_t kStatusBytes = 64;

bool is_word(uint8_t byte) {
  return byte >= 0x80 || std::isalnum(byte) != 0;
}

// Words, and each other byte by itself, as hashes (FNV-1a).
std::vector<uint64_t> tokens(ByteView bytes, size_t most = kTokensMax) {
  std::vector<uint64_t> found;
  for (size_t i = 0; i < bytes.size() && found.size() < most;) {
    uint64_t hash = 0xcbf29ce484222325;
    const bool word = is_word(bytes[i]);
    do {
      hash = (hash ^ bytes[i++]) * 0x100000001b3;
    } while (word && i < bytes.size() && is_word(bytes[i]));
    found.push_back(hash);
  }
  return found;
}

// Of `a`: which tokens lie in a longest common subsequence with `b`.
std::vector<bool> common(const std::vector<uint64_t>& a, const std::vector<uint64_t>& b) {
  const size_t width = b.size() + 1;
  std::vector<uint16_t> longest((a.size() + 1) * width);
  for (size_t i = a.size(); i-- > 0;) {
    for (size_t j = b.size(); j-- > 0;) {
      uint16_t& here = longest[i * width + j];
      here = a[i] == b[j] ? static_cast<uint16_t>(longest[(i + 1) * width + j + 1] + 1)
                          : std::max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  std::vector<bool> in(a.size());
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    if (a[i] == b[j]) {
      in[i++] = true;
      ++j;
    } else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) {
      ++i;
    } else {
      ++j;
    }
  }
  return in;
}

}  // namespace

std::string status_class(ByteView answer) {
  const std::string_view text = as_text(answer.first(std::min(answer.size(), kStatusBytes)));
  if (text.starts_with("HTTP/1.") && text.size() > 9) return std::string("HTTP ") + text[9];
  const auto digit = [&](size_t at) { return at < text.size() && is_digit(static_cast<uint8_t>(text[at])); };
  if (digit(0) && digit(1) && digit(2) && text.size() > 3 && (text[3] == ' ' || text[3] == '-')) return {text[0]};
  // Lines that begin with a mark: Redis, POP3.
  if (text.starts_with("-ERR") || text.starts_with("-NO") || text.starts_with("-WRONG")) return "-";
  if (text.starts_with("+")) return "+";
  // IMAP, its tag aside.
  for (const std::string_view word : {" OK", " NO", " BAD"}) {
    const size_t line = text.find('\n');
    const size_t at = text.substr(0, line).find(word);
    if (at != std::string_view::npos && at < 12) return std::string(word.substr(1));
  }
  return {};
}

Expected::Expected(ByteView answer) : status_(status_class(answer)), status_steady_(true), steady_(tokens(answer)) {}

Expected::Expected(ByteView answer, ByteView another)
    : status_(status_class(answer)), status_steady_(status_ == status_class(another)) {
  const std::vector<uint64_t> a = tokens(answer);
  const std::vector<bool> in = common(a, tokens(another));
  for (size_t i = 0; i < a.size(); ++i) {
    if (in[i]) steady_.push_back(a[i]);
  }
}

double Expected::share_in(ByteView answer) const {
  if (steady_.empty()) return 1;
  const std::vector<bool> in = common(steady_, tokens(answer));
  return static_cast<double>(std::count(in.begin(), in.end(), true)) / static_cast<double>(in.size());
}

bool Expected::differs(ByteView answer) const {
  if (status_steady_ && status_ != status_class(answer)) return true;
  return share_in(answer) < kLeastShare;
}

Expected Expected::without(const std::vector<Bytes>& said) const {
  std::vector<uint64_t> ours;
  for (const Bytes& each : said) {
    const std::vector<uint64_t> found = tokens(each, kSaidTokensMax);
    ours.insert(ours.end(), found.begin(), found.end());
  }
  std::sort(ours.begin(), ours.end());
  Expected rest = *this;
  std::erase_if(rest.steady_, [&](uint64_t token) { return std::binary_search(ours.begin(), ours.end(), token); });
  return rest;
}

std::vector<Expected> expected_of(const std::vector<Bytes>& first, const std::vector<Bytes>& second) {
  std::vector<Expected> all;
  for (size_t i = 0; i < first.size(); ++i) {
    if (i < second.size()) {
      all.emplace_back(first[i], second[i]);
    } else {
      all.emplace_back(first[i]);
    }
  }
  return all;
}

std::optional<uint32_t> divergence(const Recording& recording, const std::vector<Expected>& expected,
                                   const Attempt& attempt, uint32_t trigger) {
  for (uint32_t i = 0; i < trigger && i < attempt.answers.size() && i < expected.size(); ++i) {
    if (recording.messages[i].direction != Direction::to_client) continue;
    if (expected[i].differs(attempt.answers[i])) return i;
  }
  return std::nullopt;
}

}  // namespace skep::replay
