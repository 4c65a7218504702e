#include "match/compile.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "base/text.h"
#include "match/fields.h"
#include "match/syscalls.h"
#include "match/table_writer.h"

namespace skep::match {
namespace {

using formats::Comparison;
using formats::Conjunction;
using formats::Predicate;
using formats::Signature;
using formats::SignatureAction;

constexpr size_t kComplaintsMax = 50;

std::string or_nearest(std::string words, std::string_view near) {
  return near.empty() ? words : fmt::format("{}; did you mean '{}'?", words, near);
}

// What is wrong with the sets: "file:line: name: words", each once.
class Complaints {
 public:
  void add(const Signature& signature, int line, const std::string& words) {
    std::string text = fmt::format("{}:{}: {}: {}", signature.file, line, signature.name, words);
    if (lines_.size() >= kComplaintsMax || std::find(lines_.begin(), lines_.end(), text) != lines_.end()) return;
    lines_.push_back(std::move(text));
  }
  bool none() const { return lines_.empty(); }
  tl::unexpected<Error> failure() const {
    std::string all;
    for (const std::string& line : lines_) all += (all.empty() ? "" : "\n") + line;
    return tl::unexpected<Error>(Error{all, 0});
  }

 private:
  std::vector<std::string> lines_;
};

class Compiler {
 public:
  explicit Compiler(const CompileContext& context) : context_(context), writer_(context.generation, context.resolve) {}

  Result<CompiledSet> run(const std::vector<formats::SignatureSet>& sets) {
    for (const formats::SignatureSet& set : sets) {
      for (const Signature& signature : set.signatures) add(signature);
    }
    if (!complaints_.none()) return complaints_.failure();
    auto table = writer_.finish();
    if (!table) return tl::unexpected<Error>(table.error());
    return CompiledSet{std::move(*table), std::move(infos_)};
  }

 private:
  void add(const Signature& signature) {
    const auto [first, fresh] = files_of_names_.emplace(signature.name, signature.file);
    if (!fresh)
      return complaints_.add(signature, signature.line,
                             fmt::format("a signature of this name is in {} already", first->second));
    check_services(signature);
    // A signature for launched services, and the same for adopted ones, which cannot be refused anything before it
    // runs. For no service too, where there is none: a mistake in it is said now, not when the first service comes.
    const Target launched = target_of(signature, true);
    const Target adopted = target_of(signature, false);
    if (!launched.services.empty() || adopted.services.empty()) add_for(signature, launched);
    if (!adopted.services.empty()) add_for(signature, adopted);
  }

  void check_services(const Signature& signature) {
    std::vector<std::string_view> known;
    for (const CompiledService& service : context_.services) known.push_back(service.name);
    for (const std::string& name : signature.services) {
      if (std::find(known.begin(), known.end(), name) == known.end())
        complaints_.add(signature, signature.line,
                        or_nearest(fmt::format("no service is named '{}'", name), nearest(name, known)));
    }
  }

  Target target_of(const Signature& signature, bool launched) const {
    Target target{{}, launched, !signature.services.empty()};
    for (const CompiledService& service : context_.services) {
      const auto& names = signature.services;
      const bool wanted = names.empty() || std::find(names.begin(), names.end(), service.name) != names.end();
      if (wanted && service.launched == launched) target.services.push_back(&service);
    }
    return target;
  }

  void add_for(const Signature& signature, const Target& target) {
    const auto index = writer_.add_signature(signature, target.slots());
    if (!index) return complaints_.add(signature, signature.line, index.error().message);
    infos_.push_back({signature.name, signature.description, signature.priority, signature.tags, signature.file,
                      signature.line, signature.action});
    for (size_t step = 0; step < signature.steps.size(); ++step) add_step(signature, step, *index, target);
  }

  void add_step(const Signature& signature, size_t number, uint16_t index, const Target& target) {
    const formats::SignatureStep& step = signature.steps[number];
    const bool last = number + 1 == signature.steps.size();
    std::map<uint16_t, formats::Disjunction> by_call;
    bool understood = true;
    for (const Conjunction& all : step.condition) {
      const auto calls = calls_of(all);
      const auto rest = fields_of(all);
      if (!calls) complaints_.add(signature, step.line, calls.error().message);
      if (!rest) complaints_.add(signature, step.line, rest.error().message);
      understood = understood && calls && rest;
      if (!calls || !rest) continue;
      for (const uint16_t call : *calls) by_call[call].push_back(*rest);
    }
    if (understood && by_call.empty())
      complaints_.add(signature, step.line, "no call is all that it wants evt.type to be");
    if (!understood) return;
    for (const auto& [call, condition] : by_call) {
      const auto stage = stage_of({call, condition, last ? signature.action : SignatureAction::observe}, target);
      Status added = stage ? writer_.add_step(index, static_cast<uint8_t>(number), call, *stage, condition)
                           : Status(tl::unexpected<Error>(stage.error()));
      if (!added) complaints_.add(signature, step.line, added.error().message);
    }
  }

  // The calls that a conjunction names, ascending.
  static Result<std::vector<uint16_t>> calls_of(const Conjunction& all) {
    std::optional<std::vector<uint16_t>> calls;
    for (const Predicate& predicate : all) {
      if (predicate.field != "evt.type") continue;
      auto these = calls_named(predicate);
      if (!these) return these;
      std::vector<uint16_t> common;
      if (calls)
        std::set_intersection(calls->begin(), calls->end(), these->begin(), these->end(), std::back_inserter(common));
      calls = calls ? std::move(common) : std::move(*these);
    }
    if (!calls) return fail("an alternative names no call: every one wants `evt.type = …`, or `on: […]`");
    return std::move(*calls);
  }

  static Result<std::vector<uint16_t>> calls_named(const Predicate& predicate) {
    if (predicate.comparison != Comparison::equal && predicate.comparison != Comparison::in)
      return fail("evt.type wants = or in");
    if (predicate.negated) return fail("`not evt.type …` names no call: say which calls are meant");
    std::vector<uint16_t> calls;
    for (const std::string& name : predicate.values) {
      const auto number = call_number(name);
      if (!number) return fail("{}", or_nearest(fmt::format("no system call is named '{}'", name), nearest_call(name)));
      calls.push_back(static_cast<uint16_t>(skep_canonical_call(*number)));
    }
    std::sort(calls.begin(), calls.end());
    calls.erase(std::unique(calls.begin(), calls.end()), calls.end());
    return calls;
  }

  // The predicates on anything but the call.
  static Result<Conjunction> fields_of(const Conjunction& all) {
    Conjunction rest;
    for (const Predicate& predicate : all) {
      if (predicate.field == "evt.type") continue;
      if (find_field(predicate.field) == nullptr)
        return fail("{}",
                    or_nearest(fmt::format("unknown field '{}'", predicate.field), nearest_field(predicate.field)));
      rest.push_back(predicate);
    }
    return rest;
  }

  const CompileContext& context_;
  TableWriter writer_;
  Complaints complaints_;
  std::vector<SignatureInfo> infos_;
  std::map<std::string, std::string> files_of_names_;
};

}  // namespace

Result<CompiledSet> compile(const std::vector<formats::SignatureSet>& sets, const CompileContext& context) {
  return Compiler(context).run(sets);
}

}  // namespace skep::match
