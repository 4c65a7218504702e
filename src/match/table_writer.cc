#include "match/table_writer.h"

#include <algorithm>
#include <cstring>

#include "match/automaton.h"
#include "match/fields.h"
#include "match/guards.h"
#include "match/syscalls.h"

namespace skep::match {
namespace {

using formats::Comparison;
using formats::Conjunction;
using formats::Predicate;

uint8_t action_of(formats::SignatureAction action) {
  switch (action) {
    case formats::SignatureAction::observe:
      return SKEP_OBSERVED;
    case formats::SignatureAction::deny:
      return SKEP_DENIED;
    case formats::SignatureAction::kill:
      return SKEP_KILLED;
  }
  return SKEP_OBSERVED;
}

skep_operator operator_of(Comparison comparison) {
  switch (comparison) {
    case Comparison::equal:
      return SKEP_EQUAL;
    case Comparison::less:
      return SKEP_LESS;
    case Comparison::greater:
      return SKEP_GREATER;
    case Comparison::intersects:
      return SKEP_INTERSECTS;
    case Comparison::in:
      return SKEP_IN_VALUES;
  }
  return SKEP_EQUAL;
}

bool is_number(const Field& field) {
  return field.type == ValueType::number || field.type == ValueType::errno_value;
}

}  // namespace

TableWriter::TableWriter(uint32_t generation, const PathResolver& resolve)
    : resolve_(resolve), table_(std::make_unique<skep_table>()) {
  std::memset(table_.get(), 0, sizeof(skep_table));
  table_->generation = generation;
}

Result<uint16_t> TableWriter::add_signature(const formats::Signature& signature, uint64_t slots) {
  if (table_->signature_count >= SKEP_SIGNATURES_MAX) return fail("more than {} signatures", int{SKEP_SIGNATURES_MAX});
  const auto code = errno_of(signature.errno_name);
  if (!code) return tl::unexpected<Error>(code.error());
  const auto index = static_cast<uint16_t>(table_->signature_count++);
  skep_signature& s = table_->signatures[index];
  s.services = slots;
  s.kind = static_cast<uint8_t>(signature.kind);
  s.action = action_of(signature.monitored ? formats::SignatureAction::observe : signature.action);
  s.deny_errno = *code;
  s.step_count = static_cast<uint8_t>(signature.steps.size());
  s.scope = static_cast<uint8_t>(signature.scope);
  s.maxspan_ns = static_cast<uint64_t>(signature.maxspan_ns);
  s.instances = static_cast<uint8_t>(signature.instances);
  s.epoch = signature.epoch;
  for (size_t step = 0; step < signature.steps.size(); ++step) {
    if (signature.steps[step].optional) s.optional = static_cast<uint8_t>(s.optional | 1u << step);
  }
  if (signature.kind == formats::SignatureKind::blacklist) return index;
  if (slots_ >= SKEP_SLOTS_MAX) return fail("more than {} sequences and evidence in all", int{SKEP_SLOTS_MAX});
  s.slot = static_cast<uint8_t>(slots_++);
  if (auto added = add_evidence(signature, s); !added) return tl::unexpected<Error>(added.error());
  return index;
}

Status TableWriter::add_evidence(const formats::Signature& signature, skep_signature& s) {
  if (signature.kind != formats::SignatureKind::evidence) return {};
  if (weights_ + signature.weights.size() > SKEP_TABLE_WEIGHTS_MAX)
    return fail("more than {} weights in all", int{SKEP_TABLE_WEIGHTS_MAX});
  s.half_life_ns = static_cast<uint64_t>(signature.half_life_ns);
  s.step_count = static_cast<uint8_t>(signature.weights.size());
  s.weight_first = static_cast<uint16_t>(weights_);
  for (const formats::EvidenceWeight& weight : signature.weights)
    table_->weights[weights_++] = {weight.add, weight.most};
  s.level_count = static_cast<uint8_t>(signature.levels.size());
  for (size_t i = 0; i < signature.levels.size(); ++i) {
    const formats::EvidenceLevel& level = signature.levels[i];
    const auto action = signature.monitored ? formats::SignatureAction::observe : level.action;
    s.levels[i] = {level.at, action_of(action), static_cast<uint8_t>(level.suspect ? 1 : 0)};
  }
  return {};
}

Status TableWriter::add_step(const Step& place, const formats::Disjunction& condition,
                             const std::vector<Binding>& bindings) {
  if (steps_ >= SKEP_TABLE_STEPS_MAX) return fail("more than {} steps in all", int{SKEP_TABLE_STEPS_MAX});
  if (condition.size() > SKEP_STEP_CONJUNCTIONS_MAX || conjunctions_ + condition.size() > SKEP_CONJUNCTIONS_MAX)
    return fail("too many alternatives in all");
  calls_[place.call].push_back(static_cast<uint16_t>(steps_));
  skep_table_step& step = table_->steps[steps_++];
  step.signature = place.signature;
  step.role = static_cast<uint8_t>(place.role);
  step.index = static_cast<uint8_t>(place.number);
  step.stage = place.stage;
  for (size_t i = 0; i < bindings.size() && place.role == SKEP_ROLE_STEP; ++i) {
    if (bindings[i].step == place.number) step.bind[i] = static_cast<uint8_t>(bindings[i].field->place + 1);
  }
  step.conjunction_first = static_cast<uint16_t>(conjunctions_);
  if (std::any_of(condition.begin(), condition.end(), [](const Conjunction& all) { return all.empty(); })) return {};
  step.conjunction_count = static_cast<uint16_t>(condition.size());
  for (const Conjunction& all : condition) {
    if (auto added = add_conjunction(all, bindings, step); !added) return added;
  }
  return {};
}

Status TableWriter::add_feed(uint16_t signature, skep_feed feed) {
  auto& feeds = feeds_[signature];
  feeds.push_back(feed);
  if (feeds.size() > SKEP_SIGNATURE_FEEDS_MAX)
    return fail("more than {} evidence signatures take from one", int{SKEP_SIGNATURE_FEEDS_MAX});
  return {};
}

Status TableWriter::fill_feeds() {
  size_t next = 0;
  for (const auto& [signature, feeds] : feeds_) {
    if (next + feeds.size() > SKEP_FEEDS_MAX) return fail("too many signatures add to evidence");
    table_->signatures[signature].feed_first = static_cast<uint16_t>(next);
    table_->signatures[signature].feed_count = static_cast<uint16_t>(feeds.size());
    for (const skep_feed& feed : feeds) table_->feeds[next++] = feed;
  }
  return {};
}

Status TableWriter::add_conjunction(const Conjunction& all, const std::vector<Binding>& bindings,
                                    skep_table_step& step) {
  if (all.size() > SKEP_CONJUNCTION_PREDICATES_MAX || predicates_ + all.size() > SKEP_PREDICATES_MAX)
    return fail("too many predicates in all");
  table_->conjunctions[conjunctions_++] = {static_cast<uint16_t>(predicates_), static_cast<uint16_t>(all.size())};
  for (const Predicate& predicate : all) {
    const Field* field = find_field(predicate.field);
    SKEP_CHECK(field != nullptr);
    step.provenance = std::max(step.provenance, field->provenance);
    skep_predicate& p = table_->predicates[predicates_++];
    p.field = field->place;
    p.negated = predicate.negated ? 1 : 0;
    const auto bound = std::find_if(bindings.begin(), bindings.end(),
                                    [&](const Binding& binding) { return binding.word == predicate.values[0]; });
    if (bound != bindings.end()) {
      p.op = SKEP_EQUAL_BOUND;
      p.value = static_cast<uint64_t>(bound - bindings.begin());
    } else if (auto set = set_value(predicate, *field, p); !set) {
      return wrap(predicate.field, set);
    }
  }
  return {};
}

Status TableWriter::set_value(const Predicate& predicate, const Field& field, skep_predicate& p) {
  if (field.type == ValueType::network) return set_networks(predicate, p);
  if (predicate.comparison == Comparison::in || field.type == ValueType::folder) return set_list(predicate, field, p);
  if (predicate.comparison != Comparison::equal && !is_number(field)) return fail("is no number: only = != and in");
  const auto value = value_of(field, predicate.values.at(0), resolve_);
  if (!value) return tl::unexpected<Error>(value.error());
  if (predicate.comparison == Comparison::intersects && *value == 0) return fail("nothing intersects 0");
  p.op = static_cast<uint8_t>(operator_of(predicate.comparison));
  p.value = *value;
  return {};
}

Status TableWriter::set_list(const Predicate& predicate, const Field& field, skep_predicate& p) {
  std::vector<uint64_t> values;
  for (const std::string& text : predicate.values) {
    const auto value = value_of(field, text, resolve_);
    if (!value) return tl::unexpected<Error>(value.error());
    values.push_back(*value);
  }
  if (predicate.comparison != Comparison::in && predicate.comparison != Comparison::equal) return fail("wants = or in");
  std::sort(values.begin(), values.end());
  if (values_ + values.size() > SKEP_VALUES_MAX)
    return fail("more than {} values in lists in all", int{SKEP_VALUES_MAX});
  p.op = field.type == ValueType::folder ? SKEP_IN_FOLDERS : SKEP_IN_VALUES;
  p.value = values_;
  p.count = static_cast<uint16_t>(values.size());
  std::copy(values.begin(), values.end(), table_->values + values_);
  values_ += values.size();
  return {};
}

Status TableWriter::set_networks(const Predicate& predicate, skep_predicate& p) {
  if (predicate.comparison != Comparison::in && predicate.comparison != Comparison::equal) return fail("wants = or in");
  if (predicate.values.size() > SKEP_NETS_A_LIST_MAX || nets_ + predicate.values.size() > SKEP_NETS_MAX)
    return fail("more than {} networks in a list, or {} in all", int{SKEP_NETS_A_LIST_MAX}, int{SKEP_NETS_MAX});
  p.op = SKEP_IN_NETS;
  p.value = nets_;
  p.count = static_cast<uint16_t>(predicate.values.size());
  for (const std::string& text : predicate.values) {
    const auto net = network_of(text);
    if (!net) return tl::unexpected<Error>(net.error());
    table_->nets[nets_++] = *net;
  }
  return {};
}

Status TableWriter::fill_runs() {
  size_t next = 0;
  for (const auto& [call, steps] : calls_) {
    if (steps.size() > SKEP_CALL_STEPS_MAX || next + steps.size() > std::size(table_->by_call))
      return fail("{}: more than {} steps look at one call", call_name(call), int{SKEP_CALL_STEPS_MAX});
    table_->calls[call] = {static_cast<uint16_t>(next), static_cast<uint16_t>(steps.size())};
    // A later step before an earlier one: a call that fits both advances a sequence once, not twice.
    std::vector<uint16_t> ordered = steps;
    std::stable_sort(ordered.begin(), ordered.end(), [&](uint16_t a, uint16_t b) {
      const skep_table_step& left = table_->steps[a];
      const skep_table_step& right = table_->steps[b];
      if (left.signature != right.signature) return left.signature < right.signature;
      return left.role != right.role ? left.role > right.role : left.index > right.index;
    });
    std::copy(ordered.begin(), ordered.end(), table_->by_call + next);
    next += steps.size();
  }
  return {};
}

Result<std::unique_ptr<skep_table>> TableWriter::finish() {
  if (auto filled = fill_runs(); !filled) return tl::unexpected<Error>(filled.error());
  if (auto filled = fill_feeds(); !filled) return tl::unexpected<Error>(filled.error());
  fill_guards(*table_);
  if (!skep_table_valid(table_.get())) return fail("the compiled table is not valid");
  return std::move(table_);
}

}  // namespace skep::match
