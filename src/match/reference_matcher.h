// A slow matcher that can be read against docs/reference/signatures.md: it works on the signatures' own words, keeps a
// list of runs and every contribution to evidence, and reckons anew at each call. What the automaton is held against,
// by a test and by fuzz/automaton_fuzz.cc; no program has it. It takes from the compiler only where a step is judged,
// and which field is known there.
#pragma once

#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "match/bindings.h"
#include "match/condition_calls.h"
#include "match/reference_conditions.h"
#include "match/stage.h"

namespace skep::match {

struct ReferenceVerdict {
  std::string signature;
  formats::SignatureAction action;
  size_t level = 0;  // of evidence, newly reached, from 1
};

class ReferenceMatcher {
 public:
  using Action = formats::SignatureAction;

  // All services are launched ones.
  ReferenceMatcher(const formats::SignatureSet& set, const std::vector<CompiledService>& services)
      : set_(set), services_(services) {
    for (const formats::Signature& signature : set.signatures) place_steps(signature);
  }

  // The strongest that holds, of equals the first; then the level that was reached.
  std::vector<ReferenceVerdict> judge(const ReferenceCall& call) {
    std::optional<ReferenceVerdict> chosen;
    std::optional<ReferenceVerdict> level;
    for (const formats::Signature& signature : set_.signatures) {
      if (!serves(signature, call.service)) continue;
      const bool fires = holds(signature, call, level);
      if (!fires) continue;
      if (signature.kind != formats::SignatureKind::evidence) feed(signature.name, call, level);
      const Action action = signature.monitored ? Action::observe : signature.action;
      if (!chosen || action > chosen->action) chosen = ReferenceVerdict{signature.name, action};
    }
    std::vector<ReferenceVerdict> all;
    if (chosen) all.push_back(*chosen);
    if (level) all.push_back(*level);
    return all;
  }

 private:
  using Bound = ReferenceConditions::Bound;
  struct Run {
    uint64_t begun_ns = 0;
    size_t next = 0;
    Bound bound;
  };
  struct Contribution {
    uint64_t at_ns;
    uint64_t points;
    size_t weight;
  };
  struct State {
    std::vector<std::optional<Run>> runs;
    std::vector<Contribution> contributions;
    size_t level = 0;
  };

  // ---- where steps are judged

  void place_steps(const formats::Signature& s) {
    const auto bindings = bindings_of(s);
    SKEP_CHECK(bindings);
    for (size_t i = 0; i < s.steps.size(); ++i) {
      const bool last = i + 1 == s.steps.size();
      place(s, s.steps[i], last && !s.monitored ? s.action : Action::observe, bound_by(*bindings, i));
    }
    if (s.until) place(s, *s.until, Action::observe, {});
    for (const formats::EvidenceWeight& weight : s.weights) {
      if (weight.signature.empty()) place(s, weight.when, Action::observe, {});
    }
    for (const formats::EvidenceLevel& level : s.levels) {
      if (level.deny_next.empty() || s.monitored) continue;
      formats::SignatureStep gate;
      gate.condition = {{{"evt.type", formats::Comparison::in, false, level.deny_next}}};
      place_at(&level, gate, {&s, Action::deny, {}});
    }
  }

  struct Placing {
    const formats::Signature* signature;
    Action wanted;
    std::vector<const Field*> bound;
  };
  void place(const formats::Signature& s, const formats::SignatureStep& step, Action wanted,
             std::vector<const Field*> bound) {
    place_at(&step, step, {&s, wanted, std::move(bound)});
  }
  void place_at(const void* key, const formats::SignatureStep& step, const Placing& placing) {
    Target target{{}, true, !placing.signature->services.empty()};
    for (const CompiledService& service : services_) {
      if (serves(*placing.signature, service.slot)) target.services.push_back(&service);
    }
    const auto calls = by_call(step.condition);
    SKEP_CHECK(calls);
    for (const auto& [nr, condition] : *calls) {
      const auto stage = stage_of({nr, condition, placing.wanted, placing.bound, placing.signature->unsafe}, target);
      SKEP_CHECK(stage);
      stages_[{key, nr}] = *stage;
    }
  }
  bool judged_here(const void* key, const ReferenceCall& call) const {
    const auto found = stages_.find({key, call.nr});
    if (found == stages_.end()) return false;
    const bool second_net = call.line.call == "listen" && call.stage == SKEP_STAGE_HOOK;
    return found->second == call.stage || (second_net && found->second == SKEP_STAGE_PRE);
  }

  bool serves(const formats::Signature& signature, uint32_t slot) const {
    if (signature.services.empty()) return true;
    for (const CompiledService& service : services_) {
      if (service.slot != slot) continue;
      for (const std::string& name : signature.services) {
        if (name == service.name) return true;
      }
    }
    return false;
  }

  // ---- steps

  bool is_step(const formats::SignatureStep& step, const ReferenceCall& call, const Bound& bound) const {
    return judged_here(&step, call) && ReferenceConditions::hold(step.condition, call, bound);
  }

  // ---- scopes

  State* state_of(const formats::Signature& signature, const ReferenceCall& call) {
    std::string scope;
    const std::string process = fmt::format("process {}", call.caller.process);
    switch (signature.scope) {
      case formats::SignatureScope::thread:
        scope = fmt::format("thread {}", call.caller.thread);
        break;
      case formats::SignatureScope::process:
        scope = process;
        break;
      case formats::SignatureScope::session:
        if (call.caller.session == 0) return nullptr;
        scope = fmt::format("session {}", call.caller.session);
        break;
      case formats::SignatureScope::service:
        scope = fmt::format("service {}", call.service);
        break;
      case formats::SignatureScope::tree:
        scope = call.caller.tree == 0 ? process : fmt::format("tree {}", call.caller.tree);
        break;
    }
    State& state = states_[signature.name + " of " + scope];
    state.runs.resize(signature.instances);
    return &state;
  }

  bool holds(const formats::Signature& signature, const ReferenceCall& call, std::optional<ReferenceVerdict>& level) {
    if (signature.kind == formats::SignatureKind::blacklist) return is_step(signature.steps[0], call, {});
    State* state = state_of(signature, call);
    if (state == nullptr) return false;
    if (signature.kind == formats::SignatureKind::sequence) return sequence_holds(signature, *state, call);
    return evidence_holds(signature, *state, call, level);
  }

  // ---- sequences

  bool sequence_holds(const formats::Signature& s, State& state, const ReferenceCall& call) {
    bool complete = false;
    for (std::optional<Run>& run : state.runs) {
      const auto span = static_cast<uint64_t>(s.maxspan_ns);
      if (run && span != 0 && call.now_ns - run->begun_ns > span) run.reset();
      if (run && s.until && is_step(*s.until, call, run->bound)) run.reset();
      if (run) advance(s, run, call, complete);
    }
    if (is_step(s.steps[0], call, {})) begin(s, state, call);
    return complete;
  }

  // By the furthest step that the call is and the run can take. Of several runs that a call could bring to their end
  // the first alone ends.
  static bool may_leap(const formats::Signature& s, size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) {
      if (!s.steps[i].optional) return false;
    }
    return true;
  }
  void advance(const formats::Signature& s, std::optional<Run>& run, const ReferenceCall& call, bool& complete) {
    const size_t last = s.steps.size() - 1;
    for (size_t i = last; i >= run->next; --i) {
      if (!may_leap(s, run->next, i) || (i == last && complete) || !is_step(s.steps[i], call, run->bound)) continue;
      if (i == last) {
        complete = true;
        run.reset();
        return;
      }
      bind(s, i, call, run->bound);
      run->next = i + 1;
      return;
    }
  }

  void bind(const formats::Signature& s, size_t step, const ReferenceCall& call, Bound& bound) {
    const std::vector<Binding> bindings = bindings_of(s).value();
    for (const Binding& binding : bindings) {
      if (binding.step != step) continue;
      if (const auto values = ReferenceConditions::said(std::string(binding.field->name), call))
        bound[binding.word] = (*values)[0];
    }
  }

  void begin(const formats::Signature& s, State& state, const ReferenceCall& call) {
    Run begun{call.now_ns, 1, {}};
    bind(s, 0, call, begun.bound);
    std::optional<Run>* place = nullptr;
    for (auto& run : state.runs) {  // the oldest that waits for its second step
      if (run && run->next == 1 && (place == nullptr || run->begun_ns < (*place)->begun_ns)) place = &run;
    }
    for (auto run = state.runs.rbegin(); run != state.runs.rend(); ++run) {  // rather the first free one
      if (!*run) place = &*run;
    }
    for (auto run = state.runs.rbegin(); run != state.runs.rend(); ++run) {  // best, the same run anew
      if (*run && (*run)->next == 1 && (*run)->bound == begun.bound) place = &*run;
    }
    if (place != nullptr) *place = begun;
  }

  // ---- evidence

  bool evidence_holds(const formats::Signature& s, State& state, const ReferenceCall& call,
                      std::optional<ReferenceVerdict>& level) {
    bool refused = false;
    for (size_t i = 0; i < s.levels.size(); ++i) {
      const auto& names = s.levels[i].deny_next;
      bool named = false;
      for (const std::string& name : names) named = named || ReferenceConditions::same_call(name, call.line.call);
      refused = refused || (named && state.level > i && judged_here(&s.levels[i], call));
    }
    if (refused) feed(s.name, call, level);
    // After that, and the last first: which level another signature's must be weaker than hangs on it.
    for (size_t i = s.weights.size(); i-- > 0;) {
      if (s.weights[i].signature.empty() && is_step(s.weights[i].when, call, {})) add(s, state, i, call, level);
    }
    return refused;
  }

  void add(const formats::Signature& s, State& state, size_t weight, const ReferenceCall& call,
           std::optional<ReferenceVerdict>& level) {
    uint64_t already = 0;
    for (const Contribution& each : state.contributions) already += each.weight == weight ? each.points : 0;
    uint64_t points = s.weights[weight].add;
    const uint64_t most = s.weights[weight].most;
    if (most != 0 && already + points > most) points = most > already ? most - already : 0;
    if (points == 0) return;
    state.contributions.push_back({call.now_ns, points, weight});
    const uint64_t score = reckon(s, state);
    size_t reached = 0;
    for (size_t i = 0; i < s.levels.size(); ++i) {
      if (score >= uint64_t{s.levels[i].at} * SKEP_SCORE_UNIT) reached = i + 1;
    }
    if (reached <= state.level) return;
    state.level = reached;
    tell_level(s, reached, level);
  }

  // Of several that reach a level by one call the one of the strongest action, of equals the first.
  static void tell_level(const formats::Signature& s, size_t reached, std::optional<ReferenceVerdict>& level) {
    const Action action = s.monitored ? Action::observe : s.levels[reached - 1].action;
    if (level && level->signature != s.name && action <= level->action) return;
    level = ReferenceVerdict{s.name, action, reached};
  }

  // Parts of a point at the time of the last contribution: all of them anew. The sixteenths are counted from time 0.
  static uint64_t reckon(const formats::Signature& s, const State& state) {
    const auto half_life = static_cast<uint64_t>(s.half_life_ns);
    const uint64_t sixteenth = half_life / 16;
    uint64_t score = 0;
    uint64_t reckoned = 0;
    double exact = 0;
    const uint64_t end = state.contributions.back().at_ns;
    for (const Contribution& each : state.contributions) {
      const uint64_t passed = sixteenth == 0 ? 0 : each.at_ns / sixteenth - reckoned;
      reckoned += passed;
      score = passed >= 496 ? 0 : (score * part(passed % 16) >> 16) >> (passed / 16);
      score += each.points * SKEP_SCORE_UNIT;
      const double lives = sixteenth == 0 ? 0 : static_cast<double>(end - each.at_ns) / static_cast<double>(half_life);
      exact += static_cast<double>(each.points * SKEP_SCORE_UNIT) * std::exp2(-lives);
    }
    // What the page promises: at most 4.5 % off; each contribution is rounded down by less than a part of a point.
    const auto rounding = static_cast<double>(2 * state.contributions.size());
    SKEP_CHECK(static_cast<double>(score) <= exact * 1.045 + 1);
    SKEP_CHECK(static_cast<double>(score) >= exact * 0.955 - rounding);
    return score;
  }

  static uint64_t part(uint64_t sixteenths) {
    return static_cast<uint64_t>(std::llround(65536 * std::exp2(-static_cast<double>(sixteenths) / 16)));
  }

  void feed(const std::string& name, const ReferenceCall& call, std::optional<ReferenceVerdict>& level) {
    for (const formats::Signature& evidence : set_.signatures) {
      if (!serves(evidence, call.service)) continue;
      for (size_t i = 0; i < evidence.weights.size(); ++i) {
        if (evidence.weights[i].signature != name) continue;
        if (State* state = state_of(evidence, call)) add(evidence, *state, i, call, level);
      }
    }
  }

  const formats::SignatureSet& set_;
  const std::vector<CompiledService>& services_;
  std::map<std::pair<const void*, uint16_t>, uint8_t> stages_;
  std::map<std::string, State> states_;
};

}  // namespace skep::match
