#include "payload/evaluate.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <limits>

#include "payload/transforms.h"

namespace skep::payload {
namespace {

constexpr uint32_t kEffortMax = 20'000;         // steps of one rule over one window, and what they searched
constexpr size_t kBytesAnEffort = 256;          // of a content's search
constexpr size_t kExpressionBytesAnEffort = 8;  // of an expression's
constexpr int64_t kEndless = std::numeric_limits<int64_t>::max();
constexpr size_t kTextNumberMax = 23;  // digits, as strtoull would take them

struct Shared {
  ExpressionScratch& scratch;
  std::array<int64_t, kVariablesMax> variables{};
  Bytes decoded{};
  bool decoded_there = false;
  uint32_t effort = 0;
  Awaited awaited{};
  bool other_ways = false;  // for what is open to be decided, than those contents
  bool expression_limit = false;
  bool effort_limit = false;
};

struct Field {
  Holds there = Holds::no;
  uint64_t value = 0;
  int64_t end = 0;
};

// One part. Places are counted from the buffer's start, not from that of what is in sight.
class PartEvaluation {
 public:
  PartEvaluation(const Part& part, const View& view, Shared& shared)
      : part_(part),
        view_(view),
        shared_(shared),
        start_(static_cast<int64_t>(view.start)),
        end_(start_ + static_cast<int64_t>(view.bytes.size())) {}

  Holds run() { return from(0, 0); }
  int64_t reached() const { return reached_; }

 private:
  // The steps from `index` on, the match before having ended at `here`.
  Holds from(size_t index, int64_t here) {
    if (index == part_.steps.size()) return Holds::yes;
    if (shared_.effort_limit || ++shared_.effort > kEffortMax) {
      shared_.effort_limit = true;
      return Holds::no;
    }
    return std::visit([&](const auto& step) { return take(step, index, here); }, part_.steps[index]);
  }

  Holds found_at(size_t index, int64_t end) {
    const Holds rest = from(index + 1, end);
    if (rest == Holds::yes) reached_ = std::max(reached_, end);
    return rest;
  }

  int64_t value(const Number& number) const {
    return number.variable < 0 ? number.value : shared_.variables[static_cast<size_t>(number.variable)];
  }

  // What the bytes that are not there would decide.
  Holds beyond() { return view_.complete ? Holds::no : open(); }
  Holds open() {
    shared_.other_ways = true;
    return Holds::open;
  }
  Holds lacks(const Needle& needle) {
    Awaited& awaited = shared_.awaited;
    const auto end = awaited.needles.begin() + awaited.count;
    if (std::find(awaited.needles.begin(), end, &needle) != end) return Holds::open;
    if (awaited.count == Awaited::kNeedlesMax) return open();
    awaited.needles[awaited.count++] = &needle;
    return Holds::open;
  }

  static int64_t sum(int64_t a, int64_t b) {
    int64_t out = 0;
    if (__builtin_add_overflow(a, b, &out)) return b < 0 ? 0 : kEndless;
    return out;
  }

  struct Region {
    int64_t low = 0;
    int64_t high = kEndless;
  };
  Region region(const ContentStep& step, int64_t here) const {
    const int64_t base = step.relative ? here : 0;
    const int64_t low = step.low_said ? sum(base, value(step.low)) : base;
    Region out{std::max<int64_t>(low, 0), kEndless};
    if (step.high_said) out.high = sum(low, std::max<int64_t>(value(step.span), 0));
    return out;
  }

  std::optional<int64_t> find(const ContentStep& step, int64_t low, int64_t high) {
    const int64_t begin = std::max(low, start_);
    const int64_t end = std::min(high, end_);
    if (begin >= end) return std::nullopt;
    const auto size = static_cast<size_t>(end - start_);
    shared_.effort += static_cast<uint32_t>(static_cast<size_t>(end - begin) / kBytesAnEffort);
    const size_t at = step.needle.find(view_.bytes.first(size), static_cast<size_t>(begin - start_));
    if (at == Needle::kNone) return std::nullopt;
    return start_ + static_cast<int64_t>(at);
  }

  Holds take(const ContentStep& step, size_t index, int64_t here) {
    const Region in = region(step, here);
    if (step.ends_with) return ends_with(step, in, index, here);
    const auto size = static_cast<int64_t>(step.needle.size());
    const bool may_come = in.high > end_ && !view_.complete;
    if (step.negated) {
      if (find(step, in.low, in.high)) return Holds::no;
      return may_come ? open() : from(index + 1, here);
    }
    Holds best = Holds::no;
    for (int64_t low = in.low;;) {
      const auto at = find(step, low, in.high);
      if (!at) return may_come ? lacks(step.needle) : best;
      const Holds rest = found_at(index, *at + size);
      if (rest == Holds::yes || !part_.retried[index]) return rest;
      best = std::max(best, rest);
      low = *at + 1;
    }
  }

  Holds ends_with(const ContentStep& step, const Region& in, size_t index, int64_t here) {
    if (!view_.complete) return open();
    const int64_t at = end_ - static_cast<int64_t>(step.needle.size());
    const bool stands = at >= std::max(in.low, start_) && in.high >= end_ &&
                        step.needle.at(view_.bytes, static_cast<size_t>(at - start_));
    if (stands == step.negated) return Holds::no;
    return stands ? found_at(index, end_) : from(index + 1, here);
  }

  Holds take(const ExpressionStep& step, size_t index, int64_t here) {
    const int64_t base = step.relative ? here : 0;
    const int64_t begin = std::max(base, start_);
    if (begin > end_) return beyond();
    const Expression::Subject subject{view_.bytes.subspan(static_cast<size_t>(begin - start_)), begin == base,
                                      view_.complete};
    Holds best = Holds::no;
    for (size_t low = 0; low <= subject.bytes.size();) {
      shared_.effort += 1 + static_cast<uint32_t>((subject.bytes.size() - low) / kExpressionBytesAnEffort);
      const Expression::Match match = step.expression.find(subject, low, shared_.scratch);
      if (match.outcome == Expression::Outcome::limit) {
        shared_.expression_limit = true;
        return Holds::no;
      }
      if (match.outcome == Expression::Outcome::undecided) return open();
      if (step.negated) return match.outcome == Expression::Outcome::found ? Holds::no : from(index + 1, here);
      if (match.outcome == Expression::Outcome::absent) return best;
      const Holds rest = found_at(index, begin + static_cast<int64_t>(match.end));
      if (rest == Holds::yes || !part_.retried[index] || shared_.effort_limit) return rest;
      best = std::max(best, rest);
      low = match.begin + 1;
    }
    return best;
  }

  Field field(const FieldPlace& place, int64_t here) {
    const int64_t at = sum(place.relative ? here : 0, value(place.offset));
    const int64_t end = sum(at, place.bytes);
    if (at < start_) return {};
    if (end > end_) return {beyond()};
    const ByteView bytes = view_.bytes.subspan(static_cast<size_t>(at - start_), place.bytes);
    auto number = place.text_base != 0 ? in_digits(bytes, place.text_base) : in_binary(bytes, place.little_endian);
    if (!number) return {};
    if (place.bitmask != 0) number = (*number & place.bitmask) >> std::countr_zero(place.bitmask);
    return {Holds::yes, *number, end};
  }

  static std::optional<uint64_t> in_binary(ByteView bytes, bool little_endian) {
    if (bytes.size() > sizeof(uint64_t)) return std::nullopt;
    uint64_t number = 0;
    for (size_t i = 0; i < bytes.size(); ++i) number = number << 8 | bytes[little_endian ? bytes.size() - 1 - i : i];
    return number;
  }

  // Blanks before, then as many digits as there are, at least one.
  static std::optional<uint64_t> in_digits(ByteView bytes, uint8_t base) {
    std::string_view text = as_text(bytes.first(std::min(bytes.size(), kTextNumberMax)));
    const size_t begin = text.find_first_not_of(" \t\n\v\f\r+");
    if (begin == std::string_view::npos) return std::nullopt;
    text.remove_prefix(begin);
    if (base == 16 && (text.starts_with("0x") || text.starts_with("0X"))) text.remove_prefix(2);
    uint64_t number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (read.ec != std::errc()) return std::nullopt;
    return number;
  }

  Holds take(const TestStep& step, size_t index, int64_t here) {
    const Field number = field(step.field, here);
    if (number.there != Holds::yes) return number.there;
    if (compares(number.value, step.comparison, static_cast<uint64_t>(value(step.value))) == step.negated)
      return Holds::no;
    const Holds rest = from(index + 1, here);
    if (rest == Holds::yes) reached_ = std::max(reached_, number.end);
    return rest;
  }

  static bool compares(uint64_t a, Comparison how, uint64_t b) {
    switch (how) {
      case Comparison::less:
        return a < b;
      case Comparison::greater:
        return a > b;
      case Comparison::equal:
        return a == b;
      case Comparison::less_equal:
        return a <= b;
      case Comparison::greater_equal:
        return a >= b;
      case Comparison::bits_and:
        return (a & b) != 0;
      case Comparison::bits_xor:
        return (a ^ b) != 0;
    }
    return false;
  }

  Holds take(const JumpStep& step, size_t index, int64_t here) {
    const Field number = field(step.field, here);
    if (number.there != Holds::yes) return number.there;
    // 32 bits at most are jumped: a place further away is none that could be in sight.
    int64_t jump = static_cast<int64_t>(std::min<uint64_t>(number.value, UINT32_MAX)) * step.multiplier;
    if (step.align) jump = (jump + 3) / 4 * 4;
    jump = sum(jump, value(step.post_offset));
    int64_t to = jump;
    if (step.from == formats::ByteJump::From::here) to = sum(number.end, jump);
    if (step.from == formats::ByteJump::From::end) {
      if (!view_.complete) return open();
      to = sum(end_, jump);
    }
    if (to < 0) return Holds::no;
    if (to >= end_) return beyond();
    return found_at(index, to);
  }

  Holds take(const VariableStep& step, size_t index, int64_t here) {
    const Field number = field(step.field, here);
    if (number.there != Holds::yes) return number.there;
    const auto result = reckon(number.value, step.arithmetic, static_cast<uint64_t>(value(step.value)));
    if (!result) return Holds::no;
    uint64_t out = *result;
    if (step.align != 0) out = (out + step.align - 1) / step.align * step.align;
    shared_.variables[static_cast<size_t>(step.variable)] = static_cast<int64_t>(out);
    return found_at(index, number.end);
  }

  static std::optional<uint64_t> reckon(uint64_t a, Arithmetic how, uint64_t b) {
    switch (how) {
      case Arithmetic::extract:
      case Arithmetic::multiply:
        return a * b;
      case Arithmetic::add:
        return a + b;
      case Arithmetic::subtract:
        return a - b;
      case Arithmetic::divide:
        return b == 0 ? std::nullopt : std::optional<uint64_t>(a / b);
      case Arithmetic::shift_left:
        return b > 63 ? 0 : a << b;
      case Arithmetic::shift_right:
        return b > 63 ? 0 : a >> b;
    }
    return std::nullopt;
  }

  Holds take(const DataAtStep& step, size_t index, int64_t here) {
    const int64_t at = value(step.at);
    const bool there = step.relative ? sum(here, at) <= end_ : at < end_;
    if (!there && !view_.complete) return open();
    return there == step.negated ? Holds::no : from(index + 1, here);
  }

  Holds take(const SizeStep& step, size_t index, int64_t here) {
    const auto size = static_cast<uint64_t>(end_);
    const bool endless = step.size.most == std::numeric_limits<uint64_t>::max();
    // It only grows: what it has come to stays.
    const bool decided = view_.complete || size > step.size.most || (endless && size >= step.size.least);
    if (!decided) return open();
    const bool inside = step.size.least <= size && size <= step.size.most;
    return inside == step.size.negated ? Holds::no : from(index + 1, here);
  }

  Holds take(const DecodeStep& step, size_t index, int64_t here) {
    const int64_t at = sum(step.relative ? here : 0, step.offset);
    if (at < start_ || at > end_) return at > end_ ? beyond() : Holds::no;
    ByteView bytes = view_.bytes.subspan(static_cast<size_t>(at - start_));
    const bool enough = step.bytes != 0 && bytes.size() >= step.bytes;
    if (!enough && !view_.complete) return open();
    if (enough) bytes = bytes.first(step.bytes);
    shared_.decoded = base64_decoded(bytes);
    shared_.decoded_there = !shared_.decoded.empty();
    return shared_.decoded_there ? from(index + 1, here) : Holds::no;
  }

  const Part& part_;
  const View& view_;
  Shared& shared_;
  const int64_t start_;
  const int64_t end_;
  int64_t reached_ = 0;
};

Look decoded_look(const Shared& shared) {
  if (!shared.decoded_there) return {};
  return {Presence::there, {ByteView(shared.decoded), 0, true}};
}

}  // namespace

std::pair<bool, uint32_t> has_come(Awaited& awaited, const View& view) {
  const uint64_t end = view.start + view.bytes.size();
  uint32_t effort = 1;
  bool come = false;
  for (size_t i = 0; i < awaited.count && !come; ++i) {
    // It may have begun in what was searched.
    const uint64_t before = awaited.needles[i]->size() - 1;
    const uint64_t from = std::max(view.start, awaited.searched > before ? awaited.searched - before : 0);
    if (from >= end) continue;
    const auto at = static_cast<size_t>(from - view.start);
    come = awaited.needles[i]->find(view.bytes, at) != Needle::kNone;
    effort += 1 + static_cast<uint32_t>((view.bytes.size() - at) / kBytesAnEffort);
  }
  awaited.searched = end;
  return {come, effort};
}

Judgement judge(const CompiledRule& rule, BufferSource& buffers, ExpressionScratch& scratch) {
  Shared shared{scratch};
  Judgement out{.holds = Holds::yes, .awaited = {}};
  for (const Part& part : rule.parts) {
    const bool decoded = part.where.buffer == formats::RuleBuffer::base64_data;
    if (decoded && out.holds == Holds::open) continue;
    const Look look = decoded ? decoded_look(shared) : buffers.look(part);
    Holds holds = look.presence == Presence::awaited ? Holds::open : Holds::no;
    shared.other_ways |= holds == Holds::open;
    if (look.presence == Presence::there) {
      PartEvaluation evaluation(part, look.view, shared);
      holds = evaluation.run();
      if (part.where.buffer == formats::RuleBuffer::payload)
        out.reached = std::max(out.reached, static_cast<uint64_t>(evaluation.reached()));
      if (holds == Holds::open) {
        shared.other_ways |= shared.awaited.part != nullptr;
        shared.awaited.part = &part;
        shared.awaited.searched = look.view.start + look.view.bytes.size();
      }
    }
    out.holds = std::min(out.holds, holds);
    if (out.holds == Holds::no) break;
  }
  if (out.holds == Holds::open && !shared.other_ways) out.awaited = shared.awaited;
  out.effort = shared.effort;
  out.expression_limit = shared.expression_limit;
  out.effort_limit = shared.effort_limit;
  return out;
}

}  // namespace skep::payload
