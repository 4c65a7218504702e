#include "payload/compiled_rule.h"

#include <algorithm>
#include <bitset>
#include <map>
#include <optional>

namespace skep::payload {
namespace {

using formats::RuleBuffer;
using formats::RuleNumber;

constexpr size_t kFirstLookBytesMax = 24;   // longer ones cost every session state, and find hardly less
constexpr size_t kFirstLookBytesLeast = 2;  // a single byte stands everywhere
constexpr int kHeadPartBonus = 4;           // a request's parts are short, and scanned once
constexpr int kCommonPartMalus = 12;        // … but for those that look the same in every request

class RuleCompiler {
 public:
  explicit RuleCompiler(const formats::Rule& rule) : rule_(rule) {}

  Result<CompiledRule> compile() {
    for (const formats::RuleOption& option : rule_.options) {
      auto added = std::visit([this](const auto& each) { return add(each); }, option);
      if (!added) return tl::unexpected<Error>(added.error());
    }
    if (out_.parts.empty()) return fail("it looks at no bytes");
    for (Part& each : out_.parts) find_retried(each);
    choose_first_look();
    return std::move(out_);
  }

 private:
  Part& part(const formats::BufferUse& where) {
    for (Part& each : out_.parts) {
      if (each.where == where) return each;
    }
    out_.of_requests |= is_http(where.buffer);
    out_.parts.push_back({where, {}, false, {}});
    return out_.parts.back();
  }

  Number number(const RuleNumber& from) const {
    if (from.variable.empty()) return {from.value, -1};
    return {0, variables_.at(from.variable)};
  }

  Result<int> define(const std::string& name) {
    if (variables_.size() >= kVariablesMax && !variables_.contains(name))
      return fail("more than {} variables", kVariablesMax);
    return variables_.emplace(name, static_cast<int>(variables_.size())).first->second;
  }

  FieldPlace field(const formats::ByteNumber& from) const {
    return {static_cast<uint32_t>(from.bytes),
            number(from.offset),
            from.relative,
            from.little_endian,
            from.text_base,
            from.bitmask};
  }

  // How far apart things may stand that are counted from each other: beyond the window it could not be seen.
  Status in_sight(std::string_view what, const formats::BufferUse& where, int64_t distance) const {
    if (!is_stream(where.buffer) || std::abs(distance) <= static_cast<int64_t>(kWindowBytes)) return {};
    return fail("{}: {} bytes are more than the {} that are in sight", what, distance, kWindowBytes);
  }

  void anchor(Part& of, bool relative) {
    // The first of a part is counted from the buffer's start, whatever it says.
    of.anchored |= is_stream(of.where.buffer) && (!relative || of.steps.empty());
  }

  Status add(const formats::Content& content) {
    Part& of = part(content.where);
    ContentStep step{.needle = Needle(content.bytes, content.nocase),
                     .negated = content.negated,
                     .relative = content.distance || content.within,
                     .ends_with = content.ends_with,
                     .low = {},
                     .span = {}};
    const auto& low = step.relative ? content.distance : content.offset;
    const auto& span = step.relative ? content.within : content.depth;
    if (content.starts_with) step.high_said = true, step.span = {static_cast<int64_t>(content.bytes.size()), -1};
    if (low) step.low_said = true, step.low = number(*low);
    if (span) step.high_said = true, step.span = number(*span);
    if (step.relative) {
      if (auto seen = in_sight("distance", content.where, step.low.value); !seen) return seen;
      if (auto seen = in_sight("within", content.where, step.span.value); !seen) return seen;
    }
    if (step.relative ? of.steps.empty() : (step.low_said || step.high_said)) anchor(of, step.relative);
    of.steps.emplace_back(std::move(step));
    return {};
  }

  Status add(const formats::Pcre& pcre) {
    auto expression = Expression::compile(pcre);
    if (!expression) return wrap("pcre", expression);
    Part& of = part(pcre.where);
    if (pcre.pattern.starts_with('^') || pcre.anchored) anchor(of, pcre.relative);
    of.steps.emplace_back(ExpressionStep{std::move(*expression), pcre.negated, pcre.relative});
    return {};
  }

  Status add(const formats::ByteTest& test) {
    static const std::map<std::string, Comparison, std::less<>> kComparisons = {
        {"<", Comparison::less},        {">", Comparison::greater},        {"=", Comparison::equal},
        {"<=", Comparison::less_equal}, {">=", Comparison::greater_equal}, {"&", Comparison::bits_and},
        {"^", Comparison::bits_xor}};
    const auto found = kComparisons.find(test.comparison);
    if (found == kComparisons.end()) return fail("byte_test: no comparison '{}'", test.comparison);
    Part& of = part(test.where);
    anchor(of, test.number.relative);
    of.steps.emplace_back(TestStep{field(test.number), found->second, test.negated, number(test.value)});
    return {};
  }

  Status add(const formats::ByteJump& jump) {
    Part& of = part(jump.where);
    anchor(of, jump.number.relative && jump.from == formats::ByteJump::From::here);
    of.steps.emplace_back(
        JumpStep{field(jump.number), jump.from, jump.multiplier, jump.align, number(jump.post_offset)});
    return {};
  }

  Status add(const formats::ByteExtract& extract) {
    auto variable = define(extract.name);
    if (!variable) return wrap("byte_extract", variable);
    Part& of = part(extract.where);
    anchor(of, extract.number.relative);
    of.steps.emplace_back(VariableStep{field(extract.number),
                                       Arithmetic::extract,
                                       {static_cast<int64_t>(extract.multiplier), -1},
                                       extract.align,
                                       *variable});
    return {};
  }

  Status add(const formats::ByteMath& math) {
    static const std::map<std::string, Arithmetic, std::less<>> kArithmetic = {
        {"+", Arithmetic::add},    {"-", Arithmetic::subtract},    {"*", Arithmetic::multiply},
        {"/", Arithmetic::divide}, {"<<", Arithmetic::shift_left}, {">>", Arithmetic::shift_right}};
    const auto found = kArithmetic.find(math.operation);
    if (found == kArithmetic.end()) return fail("byte_math: no operation '{}'", math.operation);
    const Number value = number(math.value);
    auto variable = define(math.name);
    if (!variable) return wrap("byte_math", variable);
    Part& of = part(math.where);
    anchor(of, math.number.relative);
    of.steps.emplace_back(VariableStep{field(math.number), found->second, value, 0, *variable});
    return {};
  }

  Status add(const formats::DataAt& at) {
    if (auto seen = in_sight("isdataat", at.where, at.relative ? at.at.value : 0); !seen) return seen;
    Part& of = part(at.where);
    anchor(of, at.relative);
    of.steps.emplace_back(DataAtStep{at.negated, at.relative, number(at.at)});
    return {};
  }

  Status add(const formats::BufferSize& size) {
    Part& of = part(size.where);
    anchor(of, false);
    of.steps.emplace_back(SizeStep{size.size});
    return {};
  }

  Status add(const formats::PacketSize& size) {
    Part& of = part({RuleBuffer::payload, {}});
    anchor(of, false);
    of.steps.emplace_back(SizeStep{size.size});
    return {};
  }

  Status add(const formats::Base64Decode& decode) {
    Part& of = part(decode.where);
    anchor(of, decode.relative);
    of.steps.emplace_back(DecodeStep{decode.bytes, decode.offset, decode.relative});
    return {};
  }

  static bool is_relative(const Step& step) {
    return std::visit(
        [](const auto& each) {
          if constexpr (requires { each.field; }) return each.field.relative;
          if constexpr (requires { each.relative; }) return each.relative;
          return false;
        },
        step);
  }

  // Steps behind which the next one counts from another place.
  static bool moves(const Step& step) {
    if (const auto* const content = std::get_if<ContentStep>(&step)) return !content->negated;
    if (const auto* const expression = std::get_if<ExpressionStep>(&step)) return !expression->negated;
    return std::holds_alternative<JumpStep>(step) || std::holds_alternative<VariableStep>(step);
  }

  static void find_retried(Part& part) {
    part.retried.assign(part.steps.size(), false);
    bool wanted = false;
    for (size_t i = part.steps.size(); i-- > 0;) {
      part.retried[i] = wanted;
      if (moves(part.steps[i])) wanted = false;
      wanted |= is_relative(part.steps[i]);
    }
  }

  static int weight(const formats::Content& content) {
    std::bitset<256> distinct;
    for (const char each : content.bytes) distinct.set(lower(static_cast<uint8_t>(each)));
    int weight = static_cast<int>(std::min(content.bytes.size(), kFirstLookBytesMax) + distinct.count());
    switch (content.where.buffer) {
      case RuleBuffer::payload:
        break;
      case RuleBuffer::http_method:
      case RuleBuffer::http_protocol:
      case RuleBuffer::http_header_names:
      case RuleBuffer::http_accept:
      case RuleBuffer::http_accept_enc:
      case RuleBuffer::http_accept_lang:
      case RuleBuffer::http_connection:
      case RuleBuffer::http_content_type:
        weight -= kCommonPartMalus;
        break;
      default:
        weight += kHeadPartBonus;
    }
    return content.fast_pattern ? weight + 1000 : weight;
  }

  bool can_be_first(const formats::Content& content) const {
    if (content.negated || content.bytes.size() < kFirstLookBytesLeast) return false;
    if (content.where.buffer == RuleBuffer::base64_data) return false;
    if (is_stream(content.where.buffer) && !content.where.transforms.empty()) return false;
    // The stream's bytes say nothing of which request they are of.
    return !out_.of_requests || content.where.buffer != RuleBuffer::payload || !any_in_request();
  }

  bool any_in_request() const {
    return std::any_of(rule_.options.begin(), rule_.options.end(), [](const formats::RuleOption& option) {
      const auto* const content = std::get_if<formats::Content>(&option);
      return content != nullptr && !content->negated && content->bytes.size() >= kFirstLookBytesLeast &&
             is_http(content->where.buffer) && (!is_stream(content->where.buffer) || content->where.transforms.empty());
    });
  }

  void choose_first_look() {
    const formats::Content* best = nullptr;
    for (const formats::RuleOption& option : rule_.options) {
      const auto* const content = std::get_if<formats::Content>(&option);
      if (content == nullptr || !can_be_first(*content)) continue;
      if (best == nullptr || weight(*content) > weight(*best)) best = content;
    }
    if (best == nullptr) return;
    const size_t size = std::min(best->bytes.size(), kFirstLookBytesMax);
    out_.first_look = FirstLook{best->where, best->bytes.substr(best->bytes.size() - size), best->nocase};
  }

  const formats::Rule& rule_;
  CompiledRule out_;
  std::map<std::string, int, std::less<>> variables_;
};

}  // namespace

Result<CompiledRule> compile_rule(const formats::Rule& rule) {
  return RuleCompiler(rule).compile();
}

}  // namespace skep::payload
