// What a shard's sessions are held against: lists of sources as they come in, rules as they send; and what becomes of
// those that are known.
#include "base/clock.h"
#include "base/log.h"
#include "proxy/shard.h"

namespace skep::proxy {

SourceLists::Found Shard::listed(const Arrival& arrival) const {
  if (settings_->sources == nullptr || service(arrival.service).options.filter.off) return {};
  return settings_->sources->find(arrival.accepted.peer);
}

// Its session is its header: who came, and that it was known.
void Shard::turn_away(const Arrival& arrival, size_t list) {
  const std::string& name = service_name(arrival.service);
  const RuleHit hit = settings_->sources->hit(list);
  const SessionId id = begin(arrival);
  counters_.opened(name);
  record_hit(id, name, hit);
  formats::ClosedEvent event;
  event.reason = EndReason::filtered;
  writer_->closed(id, now_realtime_ns(), event);
  counters_.ended(name, event.reason, 0, 0);
  ++counters_.filter.headers;
  if (hit.action == HitAction::reset) io::reset_on_close(arrival.accepted.socket.get());
}

void Shard::record_hit(SessionId id, const std::string& service, const RuleHit& hit) {
  writer_->rule(id, now_realtime_ns(), hit);
  counters_.filter.hit(hit);
  if (suppresses(hit.action)) counters_.raised(service, SessionClass::harmless, writer_->class_of(id));
}

std::unique_ptr<SessionFilter> Shard::filter_of(const Arrival& arrival, bool allowed) {
  const std::shared_ptr<const FilterPlan>& plan = settings_->plans[arrival.service];
  if (plan == nullptr || allowed) return nullptr;
  return std::make_unique<SessionFilter>(plan, payload::Flow{arrival.accepted.peer, arrival.accepted.local},
                                         SessionFilter::Shared{scratch_, counters_.filter, common_.filter_places},
                                         now_monotonic_ns());
}

// After bytes were moved: what the filter has decided meanwhile.
void Shard::follow_filter(uint32_t index, Relay& relay) {
  Slot& slot = slots_[index];
  if (relay.take_suppressed() && writer_->class_of(slot.id) == SessionClass::known)
    counters_.raised(service_name(slot.service), SessionClass::harmless, SessionClass::known);
  if (relay.alone() && slot.leg_announced) {
    if (Bait* const bait = bait_of(slot); bait != nullptr) bait->leg_closed(slot.id, slot.leg_stands);
    slot.leg_announced = false;
  }
  if (relay.filter()->plan().mode != formats::ServiceMode::bait) {
    if (const auto hit = relay.take_switch()) switch_source(slot, *hit);
    if (!relay.undecided() && !slot.routed && relay.connecting()) route(index, relay);
  }
  // Not at once: what was told of the old leg in this turn must not be taken for the new one's.
  if (relay.wants_diversion()) diversions_.push_back(index);
  if (relay.due_ns() != 0) deadlines_.set(index, deadline_of(slot));
}

// A trap has decided. It is connected within this turn, as who has waited for a port.
void Shard::route(uint32_t index, Relay& relay) {
  Slot& slot = slots_[index];
  if (relay.filter()->plan().mode != formats::ServiceMode::trap) return;
  slot.routed = true;
  relay.filter()->way() == SessionFilter::Way::bait ? choose_bait(index) : go_to_production(slot);
  deadlines_.set(index, deadline_of(slot));
  waiting_for_port_.push_back(index);
}

void Shard::switch_source(const Slot& slot, const RuleHit& hit) {
  if (common_.switched->add(slot.peer, hit, now_monotonic_ns())) return;
  const std::string words =
      fmt::format("its source is not switched to the bait: switched_max ({}) are", options().filter->switched_max);
  writer_->note(slot.id, now_realtime_ns(), {formats::NoteKind::other, words});
  log::write_repeated({"sources that are not switched"}, log::Level::warning,
                      fmt::format("{}: {}", to_string(slot.peer), words), to_string(slot.id));
}

void Shard::take_diversions() {
  for (const uint32_t index : std::exchange(diversions_, {})) {
    Relay* const relay = slots_[index].relay.stream();
    if (relay != nullptr && relay->wants_diversion()) divert(index, *relay);
  }
}

void Shard::divert(uint32_t index, Relay& relay) {
  Slot& slot = slots_[index];
  relay.divert();
  if (relay.over()) return close(index);
  if (Bait* const bait = bait_of(slot); bait != nullptr && slot.leg_announced)
    bait->leg_closed(slot.id, slot.leg_stands);
  slot.leg_announced = slot.leg_stands = false;
  slot.elsewhere = true;
  slot.to = *relay.filter()->plan().divert_to;
  slot.connecting_ns = now_monotonic_ns();
  writer_->note(slot.id, now_realtime_ns(),
                {formats::NoteKind::other, fmt::format("diverted to {}", to_string(slot.to))});
  std::erase(waiting_for_port_, index);
  deadlines_.set(index, deadline_of(slot));
  connect(index);
}

}  // namespace skep::proxy
