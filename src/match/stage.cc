#include "match/stage.h"

#include <asm/unistd_64.h>

#include <algorithm>

#include "match/bindings.h"
#include "match/fields.h"
#include "match/intercepts.h"
#include "match/syscalls.h"
#include "model/signature_table.h"

namespace skep::match {
namespace {

using formats::SignatureAction;

// The places that a call passes, the best first. PRE is for what is refused there alone; where a refusal can be had
// without asking anybody, at the network hook, that goes before.
struct Places {
  uint16_t call;
  std::vector<uint8_t> stages;
};
const std::vector<uint8_t>& places_of(uint16_t call) {
  static const std::vector<Places> kPlaces = {
      {__NR_execve, {SKEP_STAGE_PRE, SKEP_STAGE_EXEC}},
      {__NR_execveat, {SKEP_STAGE_PRE, SKEP_STAGE_EXEC}},
      {__NR_connect, {SKEP_STAGE_HOOK, SKEP_STAGE_PRE, SKEP_STAGE_POST}},
      {__NR_bind, {SKEP_STAGE_HOOK, SKEP_STAGE_PRE, SKEP_STAGE_POST}},
      {SKEP_CALL_SENDTO, {SKEP_STAGE_HOOK, SKEP_STAGE_PRE, SKEP_STAGE_POST}},
      {__NR_listen, {SKEP_STAGE_PRE, SKEP_STAGE_HOOK, SKEP_STAGE_POST}},  // its hook is too late for a refusal
      {SKEP_CALL_FIRST_SEEN, {SKEP_STAGE_POST}},                          // no call: it is told when it was seen
      {__NR_exit, {SKEP_STAGE_PRE}},
      {__NR_exit_group, {SKEP_STAGE_PRE}},
      {__NR_rt_sigreturn, {SKEP_STAGE_PRE}},  // it returns to another place, as no call at all
  };
  static const std::vector<uint8_t> kOthers = {SKEP_STAGE_PRE, SKEP_STAGE_POST};
  const auto found =
      std::find_if(kPlaces.begin(), kPlaces.end(), [&](const Places& places) { return places.call == call; });
  return found == kPlaces.end() ? kOthers : found->stages;
}

// The first field of which nothing can be said at `stage`; "": all can hold there.
std::string_view missing_at(const JudgedCall& judged, uint8_t stage) {
  for (const formats::Conjunction& all : judged.condition) {
    for (const formats::Predicate& predicate : all) {
      const Field* field = find_field(predicate.field);
      if (field == nullptr) continue;
      const bool known = is_binding(predicate) ? is_known(*field, judged.call, stage)
                                               : can_hold(predicate, *field, judged.call, stage);
      if (!known) return field->name;
    }
  }
  for (const Field* field : judged.bound) {
    if (!is_known(*field, judged.call, stage)) return field->name;
  }
  return {};
}

// A field whose value another thread can change between the judging and the use; "": none is looked at.
std::string_view user_memory_in(const JudgedCall& judged) {
  for (const formats::Conjunction& all : judged.condition) {
    for (const formats::Predicate& predicate : all) {
      const Field* field = find_field(predicate.field);
      if (field != nullptr && field->provenance == SKEP_FROM_USER) return field->name;
    }
  }
  return {};
}

// Whether every service of the target asks about all calls that the step can mean.
bool is_asked(const JudgedCall& judged, const Target& target) {
  if (!target.launched || !why_not_intercepted(judged.call).empty()) return false;
  if (asked_by_arguments(judged.call, judged.condition)) return true;
  const auto holds = [&](std::span<const uint16_t> calls) {
    return std::find(calls.begin(), calls.end(), judged.call) != calls.end();
  };
  if (target.services.empty()) return holds(base_intercepts());
  return std::all_of(target.services.begin(), target.services.end(),
                     [&](const CompiledService* service) { return holds(service->intercepts); });
}

}  // namespace

bool passes(uint16_t call, uint8_t stage) {
  const auto& places = places_of(call);
  return std::find(places.begin(), places.end(), stage) != places.end();
}

namespace {

// What an operator can do where a call would have to be asked about, and is not.
std::string words_for_unasked(uint16_t call) {
  const std::string name = call_name(call);
  if (const std::string_view why = why_not_intercepted(call); !why.empty())
    return fmt::format("{} cannot be intercepted: {}", name, why);
  const std::string arguments = arguments_asked_about(call);
  const std::string unasked = arguments.empty() ? "the service does not intercept it"
                                                : fmt::format("the service only intercepts it for {}", arguments);
  return fmt::format("{}; add `intercept: [{}]` to the service and start it anew", unasked, name);
}

std::string words_for_no_place(const JudgedCall& judged, const Target& target) {
  const std::string name = call_name(judged.call);
  const bool refuses = judged.wanted != SignatureAction::observe;
  const bool before = passes(judged.call, SKEP_STAGE_PRE) && missing_at(judged, SKEP_STAGE_PRE).empty();
  if (before && refuses && target.launched) return fmt::format("{}: {}", name, words_for_unasked(judged.call));
  if (before && places_of(judged.call).size() == 1)
    return fmt::format("{} does not return: it can only be refused, by a launched service that intercepts it", name);
  std::string_view first;
  for (const uint8_t stage : places_of(judged.call)) {
    if (stage == SKEP_STAGE_PRE && !refuses) continue;
    const std::string_view missing = missing_at(judged, stage);
    if (!first.empty() && !missing.empty() && missing != first)
      return fmt::format("no place where {} is judged knows both {} and {}", name, first, missing);
    if (first.empty()) first = missing;
  }
  if (first.empty()) first = missing_at(judged, places_of(judged.call).front());
  return fmt::format("{} is not known where {} is judged", first, name);
}

// `deny`, where the call has run when it is judged. Only what nobody promised becomes a kill: adopted services that the
// signature does not name.
Status refusable(const JudgedCall& judged, const Target& target) {
  const std::string name = call_name(judged.call);
  if (!target.launched && !target.named) return {};
  if (!target.launched)
    return fail(
        "service '{}' is adopted: it carries no seccomp filter, so {} cannot be denied there before it runs; say "
        "`action: kill`, or launch it",
        target.services.front()->name, name);
  const std::string_view late = missing_at(judged, SKEP_STAGE_PRE);
  if (!late.empty())
    return fail("{} cannot be denied by {}, which is not known before it runs; say `action: kill` or `observe`", name,
                late);
  return fail("{} cannot be denied: {}, or say `action: kill`", name, words_for_unasked(judged.call));
}

}  // namespace

uint64_t Target::slots() const {
  uint64_t bits = 0;
  for (const CompiledService* service : services) bits |= uint64_t{1} << service->slot;
  return bits;
}

Result<uint8_t> stage_of(const JudgedCall& judged, const Target& target) {
  const bool refuses = judged.wanted != SignatureAction::observe;
  if (const std::string_view user = user_memory_in(judged); refuses && !judged.unsafe && !user.empty())
    return fail(
        "{} lies in user memory, which another thread can change between the judging and the use: `action: observe`, "
        "or "
        "`unsafe: true` to refuse by it all the same",
        user);
  for (const uint8_t stage : places_of(judged.call)) {
    if (stage == SKEP_STAGE_PRE && !(refuses && is_asked(judged, target))) continue;
    if (!missing_at(judged, stage).empty()) continue;
    const bool too_late = stage == SKEP_STAGE_POST || (stage == SKEP_STAGE_HOOK && judged.call == __NR_listen);
    if (too_late && judged.wanted == SignatureAction::deny) {
      if (auto possible = refusable(judged, target); !possible) return tl::unexpected<Error>(possible.error());
    }
    return stage;
  }
  return fail("{}", words_for_no_place(judged, target));
}

}  // namespace skep::match
