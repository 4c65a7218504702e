#include "proxy/sieve.h"

#include <algorithm>

namespace skep::proxy {
namespace {

using formats::Hold;
using formats::RuleProtocol;

bool by_lines(RuleProtocol protocol) {
  return protocol == RuleProtocol::ftp || protocol == RuleProtocol::smtp || protocol == RuleProtocol::pop3 ||
         protocol == RuleProtocol::imap;
}

}  // namespace

Sieve::Decision Sieve::forward() {
  held_ = 0;
  return {};
}

Sieve::Decision Sieve::came(ByteView bytes, bool known, const Sight& sight, int64_t now_ns) {
  if (known) {
    held_ = 0;
    return {Pass::suppress, 0};
  }
  if (manner_ == Manner::undecided) recognise(bytes);
  const size_t before = held_;
  held_ = open(bytes, sight);
  if (held_ == 0) return {};
  if (before == 0 || held_ <= bytes.size()) since_ns_ = now_ns;  // nothing that waited before waits still
  if (held_ <= options_.bytes_max && now_ns < due_ns()) return {Pass::hold, held_};
  ++given_up_;
  return forward();
}

// So many of the last bytes are not whole by the manner in which it holds them.
size_t Sieve::open(ByteView bytes, const Sight& sight) const {
  if (sight.blind) return 0;
  switch (manner_) {
    case Manner::none:
      return 0;
    case Manner::undecided:
      return held_ + bytes.size();
    case Manner::head:
      return sight.head_open ? held_ + bytes.size() : 0;
    case Manner::line: {
      const auto end = std::find(bytes.rbegin(), bytes.rend(), static_cast<uint8_t>('\n'));
      const auto behind = static_cast<size_t>(end - bytes.rbegin());
      return end == bytes.rend() ? held_ + bytes.size() : behind;
    }
  }
  return 0;
}

void Sieve::recognise(ByteView bytes) {
  if (options_.hold == Hold::none) manner_ = Manner::none;
  if (options_.hold == Hold::line) manner_ = Manner::line;
  if (manner_ != Manner::undecided) return;
  const size_t more = std::min(bytes.size(), first_.size() - first_count_);
  std::copy_n(bytes.begin(), more, first_.begin() + first_count_);
  first_count_ = static_cast<uint8_t>(first_count_ + more);
  const payload::Application spoken = payload::recognise(ByteView(first_).first(first_count_));
  if (spoken.recognition == payload::Recognition::undecided && first_count_ < first_.size()) return;
  manner_ = Manner::none;
  if (spoken.recognition != payload::Recognition::found) return;
  if (spoken.protocol == RuleProtocol::http) manner_ = Manner::head;
  if (options_.hold == Hold::automatic && by_lines(spoken.protocol)) manner_ = Manner::line;
}

Sieve::Decision Sieve::answered(bool known, size_t unsent) const {
  if (known && unsent > 0) return {Pass::suppress, 0};
  return held_ > 0 ? Decision{Pass::hold, held_} : Decision{};
}

Sieve::Decision Sieve::finished(bool known, size_t unsent) {
  held_ = 0;
  if (known && unsent > 0) return {Pass::suppress, 0};
  return {};
}

Sieve::Decision Sieve::due(int64_t now_ns) {
  if (held_ > 0 && now_ns < due_ns()) return {Pass::hold, held_};
  if (held_ > 0) ++given_up_;
  return forward();
}

}  // namespace skep::proxy
