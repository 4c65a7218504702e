#include "match/engine.h"

#include <asm/unistd_64.h>

#include "match/automaton.h"

namespace skep::match {

namespace {

// The hook of listen takes the steps of PRE as well, in case the notifier was deceived: watch/bpf/calls.h.
bool stage_fits(const skep_table_step& step, const skep_call& call) {
  const bool second_net = call.nr == __NR_listen && call.stage == SKEP_STAGE_HOOK;
  return step.stage == call.stage || (second_net && step.stage == SKEP_STAGE_PRE);
}

}  // namespace

std::vector<Fired> Engine::judge(skep_call& call, const Caller& caller) {
  std::optional<Fired> chosen;
  std::optional<Fired> level;
  if (call.nr >= SKEP_CALLS_MAX) return {};
  if (call.stage == SKEP_STAGE_POST && !skep_guards_admit(&table_, &call)) return {};
  const skep_run run = table_.calls[call.nr];
  for (uint32_t i = 0; i < run.count; ++i) {
    const uint16_t which = table_.by_call[run.first + i];
    const uint16_t index = table_.steps[which].signature;
    const skep_signature& signature = table_.signatures[index];
    if (!stage_fits(table_.steps[which], call) || !(signature.services >> (call.service & 63) & 1)) continue;
    if (!holds(which, call, caller, level)) continue;
    feed(signature, call, caller, level);
    if (!chosen || signature.action > chosen->action) chosen = Fired{index, signature.action, 0};
  }
  std::vector<Fired> all;
  if (chosen) all.push_back(*chosen);
  if (level) all.push_back(*level);
  return all;
}

std::optional<Engine::Key> Engine::key_of(const skep_signature& signature, const skep_call& call,
                                          const Caller& caller) const {
  const uint8_t scope = signature.scope;
  switch (scope) {
    case SKEP_BY_THREAD:
      return Key{scope, caller.thread, signature.slot};
    case SKEP_BY_SERVICE:
      return Key{scope, call.service, signature.slot};
    case SKEP_BY_SESSION:
      if (caller.session == 0) return std::nullopt;
      return Key{scope, caller.session, signature.slot};
    case SKEP_BY_TREE:
      if (caller.tree != 0) return Key{scope, caller.tree, signature.slot};
      return Key{SKEP_BY_PROCESS, caller.process, signature.slot};  // slots are never shared, so neither is this
    default:
      return Key{scope, caller.process, signature.slot};
  }
}

skep_state* Engine::find(const Key& key) {
  const auto found = states_.find(key);
  return found == states_.end() ? nullptr : &found->second;
}

bool Engine::holds(uint16_t which, skep_call& call, const Caller& caller, std::optional<Fired>& level) {
  const skep_signature& signature = table_.signatures[table_.steps[which].signature];
  if (signature.kind == SKEP_BLACKLIST) return skep_step_matches(&table_, which, &call) != 0;
  const auto key = key_of(signature, call, caller);
  if (!key) return false;
  if (signature.kind == SKEP_SEQUENCE) return follow_sequence(which, *key, call);
  return follow_evidence(which, *key, call, level);
}

bool Engine::follow_sequence(uint16_t which, const Key& key, skep_call& call) {
  const skep_table_step& step = table_.steps[which];
  if (step.role == SKEP_ROLE_STEP && step.index == 0) {
    if (skep_step_matches(&table_, which, &call) == 0) return false;
    skep_state& made = make(key);
    skep_renew_state(&table_, step.signature, &made);
    skep_sequence_begin(&table_, which, &made, &call);
    return false;
  }
  skep_state* state = find(key);
  if (state == nullptr) return false;
  skep_renew_state(&table_, step.signature, state);
  for (uint32_t place = 0; place < SKEP_INSTANCES_MAX; ++place) {
    if (skep_run_advance(&table_, which, state, place, &call) == SKEP_SEQUENCE_COMPLETE) return true;
  }
  return false;
}

bool Engine::follow_evidence(uint16_t which, const Key& key, const skep_call& call, std::optional<Fired>& level) {
  const skep_table_step& step = table_.steps[which];
  if (skep_step_matches(&table_, which, &call) == 0) return false;
  if (step.role != SKEP_ROLE_GATE) {
    weigh(step.signature, step.index, key, call, level);
    return false;
  }
  const skep_state* state = find(key);
  return state != nullptr && skep_gate_open(&step, &table_.signatures[step.signature], state) != 0;
}

void Engine::weigh(uint16_t signature, uint32_t weight, const Key& key, const skep_call& call,
                   std::optional<Fired>& level) {
  skep_state& state = make(key);
  skep_renew_state(&table_, signature, &state);
  const int reached = skep_add_evidence(&table_, signature, &state, weight, &call);
  if (reached <= 0) return;
  const skep_level& told = table_.signatures[signature].levels[(reached - 1) & (SKEP_LEVELS_MAX - 1)];
  if (level && level->signature != signature && told.action <= level->action) return;
  level = Fired{signature, told.action, static_cast<uint8_t>(reached)};
}

void Engine::feed(const skep_signature& signature, const skep_call& call, const Caller& caller,
                  std::optional<Fired>& level) {
  for (uint32_t i = 0; i < signature.feed_count; ++i) {
    const skep_feed& to = table_.feeds[signature.feed_first + i];
    const skep_signature& evidence = table_.signatures[to.signature];
    if (!(evidence.services >> (call.service & 63) & 1)) continue;
    if (const auto key = key_of(evidence, call, caller)) weigh(to.signature, to.weight, *key, call, level);
  }
}

}  // namespace skep::match
