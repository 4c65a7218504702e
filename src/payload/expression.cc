#include "payload/expression.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <string_view>

namespace skep::payload {
namespace {

constexpr uint32_t kMatchLimit = 100'000;  // a fraction of a millisecond; real rules take a few hundred
constexpr uint32_t kDepthLimit = 5'000;    // where there is no JIT
constexpr size_t kJitStackLeast = 32 * 1024;
constexpr size_t kJitStackMost = 512 * 1024;

uint32_t options_of(const formats::Pcre& pcre) {
  uint32_t options = 0;
  if (pcre.nocase) options |= PCRE2_CASELESS;
  if (pcre.dot_all) options |= PCRE2_DOTALL;
  if (pcre.multi_line) options |= PCRE2_MULTILINE;
  if (pcre.extended) options |= PCRE2_EXTENDED;
  if (pcre.anchored) options |= PCRE2_ANCHORED;
  if (pcre.dollar_end) options |= PCRE2_DOLLAR_ENDONLY;
  if (pcre.ungreedy) options |= PCRE2_UNGREEDY;
  return options;
}

// A sure sign is not wanted: who is taken for sensitive and is not only waits for a byte more.
bool asks_what_follows(std::string_view pattern) {
  constexpr std::string_view kSigns[] = {"$", "(?!", "\\b", "\\B", "\\z", "\\Z", "(?>", "++", "*+", "?+", "}+", "(?("};
  for (const std::string_view sign : kSigns) {
    if (pattern.find(sign) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

ExpressionScratch::ExpressionScratch()
    : data_(pcre2_match_data_create(1, nullptr)),
      context_(pcre2_match_context_create(nullptr)),
      stack_(pcre2_jit_stack_create(kJitStackLeast, kJitStackMost, nullptr)) {
  SKEP_CHECK(data_ != nullptr && context_ != nullptr && stack_ != nullptr);
  pcre2_set_match_limit(context_, kMatchLimit);
  pcre2_set_depth_limit(context_, kDepthLimit);
  pcre2_jit_stack_assign(context_, nullptr, stack_);
}

ExpressionScratch::~ExpressionScratch() {
  pcre2_match_data_free(data_);
  pcre2_match_context_free(context_);
  pcre2_jit_stack_free(stack_);
}

void Expression::Free::operator()(pcre2_real_code_8* code) const {
  pcre2_code_free(code);
}

Result<Expression> Expression::compile(const formats::Pcre& pcre) {
  int error = 0;
  size_t place = 0;
  Expression expression;
  expression.code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pcre.pattern.data()), pcre.pattern.size(),
                                       options_of(pcre), &error, &place, nullptr));
  if (!expression.code_) {
    std::array<PCRE2_UCHAR, 160> words{};
    pcre2_get_error_message(error, words.data(), words.size());
    return fail("{} at its byte {}", reinterpret_cast<const char*>(words.data()), place);
  }
  expression.end_sensitive_ = asks_what_follows(pcre.pattern);
  // Where there is no JIT for this CPU it is interpreted: the same matches, within the same limits.
  pcre2_jit_compile(expression.code_.get(), PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD);
  return expression;
}

Expression::Match Expression::find(const Subject& subject, size_t from, ExpressionScratch& scratch) const {
  uint32_t options = 0;
  if (!subject.from_start) options |= PCRE2_NOTBOL;
  // Reaching the end of what is there is no match of such a pattern: what comes next could undo it.
  if (!subject.complete && end_sensitive_) options |= PCRE2_PARTIAL_HARD;
  const int found = pcre2_match(code_.get(), subject.bytes.data(), subject.bytes.size(), from, options, scratch.data_,
                                scratch.context_);
  if (found >= 0) {
    const size_t* const ends = pcre2_get_ovector_pointer(scratch.data_);
    return {Outcome::found, ends[0], ends[1]};
  }
  if (found == PCRE2_ERROR_PARTIAL) return {Outcome::undecided};
  if (found == PCRE2_ERROR_NOMATCH) return {subject.complete ? Outcome::absent : Outcome::undecided};
  return {Outcome::limit};
}

}  // namespace skep::payload
