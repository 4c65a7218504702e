#include "match/test_run.h"

#include <asm/unistd_64.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"
#include "match/condition_calls.h"
#include "match/syscalls.h"
#include "match/trace.h"

namespace skep::match {
namespace {

using formats::ExpectedAlert;
using formats::SignatureTest;

constexpr std::string_view kActionWords[] = {"observed", "denied", "killed"};  // by skep_action
constexpr uint64_t kBeginNs = 1'000'000'000;

// What an alert would say: the signature, what was done, and the level of evidence, if one was reached.
struct Told {
  uint16_t signature;
  uint8_t action;
  uint8_t level;
};

// A refusal where it is too late for one is a kill: as possible_action of watch/bpf/calls.h.
uint8_t done_at(const skep_call& call, uint8_t wanted) {
  const bool can_deny =
      call.stage == SKEP_STAGE_PRE || (call.stage == SKEP_STAGE_HOOK && call.nr != uint32_t{__NR_listen});
  return wanted == SKEP_DENIED && !can_deny ? static_cast<uint8_t>(SKEP_KILLED) : wanted;
}

class Run {
 public:
  Run(const SignatureTest& test, const CompiledSet& set, const std::vector<CompiledService>& services)
      : test_(test), set_(set), services_(services), engine_(*set.table) {}

  TestResult result() {
    for (size_t at = 1; at <= test_.trace.size(); ++at) make_call(at);
    return {&test_, std::move(failures_)};
  }

 private:
  void make_call(size_t at) {
    const formats::TraceCall& line = test_.trace[at - 1];
    now_ns_ += static_cast<uint64_t>(line.after_ns);
    const auto traced = TracedCall::of(line);
    SKEP_CHECK(traced);  // validate_tests has seen it
    const Caller caller = names_.caller_of(line);
    std::vector<Told> told;
    for (const uint8_t stage : traced->stages()) {
      skep_call call = traced->at(stage);
      call.now_ns = now_ns_;
      call.tid = static_cast<uint32_t>(caller.thread);
      call.service = service_of(line);
      bool refused = false;
      for (const Fired& fired : engine_.judge(call, caller)) {
        told.push_back({fired.signature, done_at(call, fired.action), fired.level});
        refused = refused || told.back().action != SKEP_OBSERVED;
      }
      if (refused) break;
    }
    compare(at, told, *traced);
  }

  uint32_t service_of(const formats::TraceCall& line) {
    if (line.service.empty()) return services_.empty() ? 0 : services_.front().slot;
    for (const CompiledService& service : services_) {
      if (service.name == line.service) return service.slot;
    }
    failures_.push_back(place(line.line) + fmt::format("no service is named '{}' by a signature", line.service));
    return SKEP_SERVICES_MAX - 1;
  }

  std::string place(int line) const { return fmt::format("{}:{}: ", test_.file, line); }

  std::string words_of(const Told& told) const {
    std::string words = fmt::format("{} ({}", set_.signatures[told.signature].name, kActionWords[told.action % 3]);
    return words + (told.level != 0 ? fmt::format(", level {})", told.level) : ")");
  }

  static std::string words_of(const ExpectedAlert& expected) {
    std::string words = expected.action;
    if (expected.level) words += fmt::format("{}level {}", words.empty() ? "" : ", ", *expected.level);
    return words.empty() ? expected.signature : fmt::format("{} ({})", expected.signature, words);
  }

  bool fits(const Told& told, const ExpectedAlert& expected) const {
    if (set_.signatures[told.signature].name != expected.signature) return false;
    if (!expected.action.empty() && expected.action != kActionWords[told.action % 3]) return false;
    return !expected.level || *expected.level == told.level;
  }

  void compare(size_t at, std::vector<Told> told, const TracedCall& traced) {
    const formats::TraceCall& line = test_.trace[at - 1];
    std::vector<const ExpectedAlert*> missed;
    for (const ExpectedAlert& expected : test_.expect) {
      if (expected.at != at) continue;
      const auto found = std::find_if(told.begin(), told.end(), [&](const Told& each) { return fits(each, expected); });
      if (found == told.end())
        missed.push_back(&expected);
      else
        told.erase(found);
    }
    std::vector<std::string> others;
    for (const Told& each : told) others.push_back(words_of(each));
    const std::string what = others.empty() ? "nothing" : fmt::format("{}", fmt::join(others, ", "));
    for (const ExpectedAlert* expected : missed)
      failures_.push_back(place(expected->line) +
                          fmt::format("call {} ({}): {} did not fire; what fired unexpected: {}{}", at, line.call,
                                      words_of(*expected), what, unsaid(expected->signature, traced)));
    if (missed.empty() && !told.empty())
      failures_.push_back(place(line.line) + fmt::format("call {} ({}): fired unexpected: {}", at, line.call, what));
  }

  // The fields that the signature looks at and the line does not say: often why it did not fire.
  std::string unsaid(const std::string& signature, const TracedCall& traced) const {
    std::vector<std::string_view> names;
    for (const uint8_t stage : traced.stages()) {
      const skep_call call = traced.at(stage);
      const skep_run run = set_.table->calls[call.nr];
      for (uint32_t i = 0; i < run.count; ++i) {
        const skep_table_step& step = set_.table->steps[set_.table->by_call[run.first + i]];
        if (step.stage == stage && set_.signatures[step.signature].name == signature) add_unsaid(step, call, names);
      }
    }
    return names.empty() ? "" : fmt::format("; the call does not say: {}", fmt::join(names, ", "));
  }

  void add_unsaid(const skep_table_step& step, const skep_call& call, std::vector<std::string_view>& names) const {
    for (uint32_t i = 0; i < step.conjunction_count; ++i) {
      const skep_conjunction& all = set_.table->conjunctions[step.conjunction_first + i];
      for (uint32_t p = 0; p < all.count; ++p) {
        const uint16_t place = set_.table->predicates[all.first + p].field;
        if (call.has >> place & 1) continue;
        for (const Field& field : all_fields()) {
          if (field.place != place || !is_known(field, static_cast<uint16_t>(call.nr), call.stage)) continue;
          if (std::find(names.begin(), names.end(), field.name) == names.end()) names.push_back(field.name);
          break;
        }
      }
    }
  }

  const SignatureTest& test_;
  const CompiledSet& set_;
  const std::vector<CompiledService>& services_;
  Engine engine_;
  CallerNames names_;
  uint64_t now_ns_ = kBeginNs;
  std::vector<std::string> failures_;
};

void check_names(const SignatureTest& test, const std::vector<std::string_view>& known,
                 std::vector<std::string>& complaints) {
  const auto check = [&](int line, const std::string& name) {
    if (std::find(known.begin(), known.end(), name) != known.end()) return;
    complaints.push_back(
        fmt::format("{}:{}: {}", test.file, line,
                    or_nearest(fmt::format("no signature is named '{}'", printable(name)), nearest(name, known))));
  };
  if (!test.about.empty()) check(test.line, test.about);
  for (const ExpectedAlert& expected : test.expect) check(expected.line, expected.signature);
}

}  // namespace

Status validate_tests(const std::vector<formats::SignatureSet>& sets) {
  std::vector<std::string_view> known;
  for (const formats::SignatureSet& set : sets) {
    for (const formats::Signature& signature : set.signatures) known.push_back(signature.name);
  }
  std::vector<std::string> complaints;
  for (const formats::SignatureSet& set : sets) {
    for (const SignatureTest& test : set.tests) {
      check_names(test, known, complaints);
      for (const formats::TraceCall& line : test.trace) {
        const auto traced = TracedCall::of(line);
        if (!traced) complaints.push_back(fmt::format("{}:{}: {}", test.file, line.line, traced.error().message));
      }
    }
  }
  if (complaints.empty()) return {};
  return fail("{}", fmt::join(complaints, "\n"));
}

Result<std::vector<TestResult>> run_tests(const std::vector<formats::SignatureSet>& sets, const CompiledSet& set,
                                          const std::vector<CompiledService>& services) {
  if (auto valid = validate_tests(sets); !valid) return tl::unexpected<Error>(valid.error());
  std::vector<TestResult> results;
  for (const formats::SignatureSet& each : sets) {
    for (const SignatureTest& test : each.tests) results.push_back(Run(test, set, services).result());
  }
  return results;
}

}  // namespace skep::match
