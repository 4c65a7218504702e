#include "match/compile.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "match/bindings.h"
#include "match/condition_calls.h"
#include "match/fields.h"
#include "match/table_writer.h"

namespace skep::match {
namespace {

using formats::Comparison;
using formats::Predicate;
using formats::Signature;
using formats::SignatureAction;

constexpr size_t kComplaintsMax = 50;

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
    add_feeds();
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
    const auto bindings = bindings_of(signature);
    if (!bindings) return complaints_.add(signature, signature.line, bindings.error().message);
    const auto index = writer_.add_signature(signature, target.slots());
    if (!index) return complaints_.add(signature, signature.line, index.error().message);
    infos_.push_back(info_of(signature));
    const Added added{signature, *index, target, *bindings};
    for (size_t step = 0; step < signature.steps.size(); ++step) {
      const bool last = step + 1 == signature.steps.size();
      add_step(added, signature.steps[step], {SKEP_ROLE_STEP, step},
               last ? action_of(signature) : SignatureAction::observe);
    }
    if (signature.until) add_step(added, *signature.until, {SKEP_ROLE_UNTIL, 0}, SignatureAction::observe);
    for (size_t i = 0; i < signature.weights.size(); ++i) add_weight(added, i);
    for (size_t i = 0; i < signature.levels.size(); ++i) add_gate(added, i);
  }

  // One signature of the table, while its steps are added.
  struct Added {
    const Signature& signature;
    uint16_t index;
    const Target& target;
    const std::vector<Binding>& bindings;
  };
  struct Part {
    skep_role role;
    size_t number;
  };

  static SignatureAction action_of(const Signature& signature) {
    return signature.monitored ? SignatureAction::observe : signature.action;
  }

  static SignatureInfo info_of(const Signature& signature) {
    SignatureInfo info{signature.name,
                       signature.description,
                       signature.priority,
                       signature.tags,
                       signature.file,
                       signature.line,
                       signature.action,
                       signature.monitored,
                       signature.maturity,
                       {},
                       {}};
    for (const formats::EvidenceWeight& weight : signature.weights) info.weights.push_back(weight.add);
    for (const formats::EvidenceLevel& level : signature.levels) info.levels.push_back({level.at, level.suspect});
    return info;
  }

  void add_step(const Added& added, const formats::SignatureStep& step, Part part, SignatureAction wanted) {
    const auto calls = by_call(step.condition);
    if (!calls) return complaints_.add(added.signature, step.line, calls.error().message);
    const bool binds = part.role == SKEP_ROLE_STEP;
    const auto bound = binds ? bound_by(added.bindings, part.number) : std::vector<const Field*>{};
    for (const auto& [call, condition] : *calls) {
      const auto stage = stage_of({call, condition, wanted, bound, added.signature.unsafe}, added.target);
      Status done =
          stage ? writer_.add_step({added.index, part.role, part.number, call, *stage}, condition, added.bindings)
                : Status(tl::unexpected<Error>(stage.error()));
      if (!done) complaints_.add(added.signature, step.line, done.error().message);
    }
  }

  void add_weight(const Added& added, size_t number) {
    const formats::EvidenceWeight& weight = added.signature.weights[number];
    if (weight.signature.empty())
      return add_step(added, weight.when, {SKEP_ROLE_WEIGHT, number}, SignatureAction::observe);
    feeds_.push_back({added.index, static_cast<uint16_t>(number), &added.signature, &weight});
  }

  // The calls that are refused once the level is reached: those that no lower one refuses already, so that a refusal
  // holds once.
  void add_gate(const Added& added, size_t number) {
    const formats::EvidenceLevel& level = added.signature.levels[number];
    std::vector<std::string> names = level.deny_next;
    for (size_t lower = 0; lower < number; ++lower) {
      const auto& refused = added.signature.levels[lower].deny_next;
      std::erase_if(names,
                    [&](const auto& name) { return std::find(refused.begin(), refused.end(), name) != refused.end(); });
    }
    if (names.empty() || added.signature.monitored) return;
    formats::SignatureStep step;
    step.line = level.line;
    step.condition = {{Predicate{"evt.type", Comparison::in, false, names}}};
    add_step(added, step, {SKEP_ROLE_GATE, number + 1}, SignatureAction::deny);
  }

  // Evidence that other signatures add to: known once all are in the table.
  void add_feeds() {
    for (const Feed& feed : feeds_) {
      bool found = false;
      for (size_t index = 0; index < infos_.size(); ++index) {
        if (infos_[index].name != feed.weight->signature) continue;
        found = true;
        Status done = writer_.add_feed(static_cast<uint16_t>(index), {feed.evidence, feed.number});
        if (!done) complaints_.add(*feed.signature, feed.weight->when.line, done.error().message);
      }
      if (!found)
        complaints_.add(*feed.signature, feed.weight->when.line,
                        or_nearest(fmt::format("no signature is named '{}'", feed.weight->signature),
                                   nearest(feed.weight->signature, names())));
    }
  }

  std::vector<std::string_view> names() const {
    std::vector<std::string_view> all;
    for (const SignatureInfo& info : infos_) all.push_back(info.name);
    return all;
  }

  struct Feed {
    uint16_t evidence;
    uint16_t number;
    const Signature* signature;
    const formats::EvidenceWeight* weight;
  };
  const CompileContext& context_;
  TableWriter writer_;
  Complaints complaints_;
  std::vector<SignatureInfo> infos_;
  std::vector<Feed> feeds_;
  std::map<std::string, std::string> files_of_names_;
};

}  // namespace

Result<CompiledSet> compile(const std::vector<formats::SignatureSet>& sets, const CompileContext& context) {
  return Compiler(context).run(sets);
}

}  // namespace skep::match
