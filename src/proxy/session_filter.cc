#include "proxy/session_filter.h"

#include <algorithm>
#include <iterator>

namespace skep::proxy {
namespace {

using formats::ServiceMode;

constexpr size_t kMessageBytesMax = 256;
constexpr int64_t kDayNs = int64_t{86'400} * 1'000'000'000;

RuleHit told(const payload::GivenRule& given, uint64_t stream_offset) {
  const formats::Rule& rule = given.rule;
  RuleHit hit{rule.gid,          rule.sid,     rule.rev, rule.message.substr(0, kMessageBytesMax), given.grading.grade,
              HitAction::tagged, stream_offset};
  return hit;
}

}  // namespace

SessionFilter::SessionFilter(std::shared_ptr<const FilterPlan> plan, const payload::Flow& flow, const Shared& shared,
                             int64_t now_ns)
    : plan_(std::move(plan)),
      shared_(shared),
      scanner_(plan_->rules, flow, plan_->limits, &shared.places.hosts, now_ns),
      sieve_(plan_->sieve),
      opened_ns_(now_ns),
      way_(plan_->mode == ServiceMode::trap ? Way::undecided : Way::bait) {}

SessionFilter::Outcome SessionFilter::came(ByteView bytes, const Standing& standing) {
  if (over_) return {};
  asked_ = true;
  Found found = this->found(scanner_.take(bytes, shared_.scratch));
  const Sieve::Sight sight{scanner_.in_http_head(), scanner_.stopped().has_value()};
  const Sieve::Decision decision =
      deciding() ? sieve_.came(bytes, found.known, sight, standing.now_ns) : Sieve::Decision{};
  return outcome(std::move(found), decision, standing);
}

SessionFilter::Outcome SessionFilter::datagram(ByteView bytes, const Standing& standing) {
  if (over_) return {};
  Found found = this->found(scanner_.take(bytes, shared_.scratch));
  Found whole = this->found(scanner_.answered(shared_.scratch));
  std::move(whole.hits.begin(), whole.hits.end(), std::back_inserter(found.hits));
  found.known |= whole.known;
  const Sieve::Decision decision{found.known ? Sieve::Pass::suppress : Sieve::Pass::forward, 0};
  return outcome(std::move(found), decision, standing);
}

SessionFilter::Outcome SessionFilter::answered(const Standing& standing) {
  if (over_) return {};
  const bool asked = std::exchange(asked_, false);
  Found found = asked ? this->found(scanner_.answered(shared_.scratch)) : Found{};
  const Sieve::Decision decision = deciding() ? sieve_.answered(found.known, standing.unsent) : Sieve::Decision{};
  return outcome(std::move(found), decision, standing);
}

SessionFilter::Outcome SessionFilter::finished(const Standing& standing) {
  if (over_ || std::exchange(finished_, true)) return {};
  Found found = this->found(scanner_.finish(shared_.scratch));
  const Sieve::Decision decision = deciding() ? sieve_.finished(found.known, standing.unsent) : Sieve::Decision{};
  return outcome(std::move(found), decision, standing);
}

SessionFilter::Outcome SessionFilter::closed() {
  Outcome outcome = finished({});
  shared_.counters.ended(scanner_.counts(), sieve_.given_up());
  return outcome;
}

SessionFilter::Found SessionFilter::found(std::span<const payload::Hit> hits) {
  Found found;
  for (const payload::Hit& hit : hits) {
    found.hits.push_back(told(plan_->rules->rules()[hit.rule], hit.stream_offset));
    found.known |= counts(found.hits.back());
  }
  return found;
}

SessionFilter::Outcome SessionFilter::outcome(Found found, const Sieve::Decision& decision, const Standing& standing) {
  Outcome outcome{decision, HitAction::tagged, std::move(found.hits), {}};
  HitAction done = HitAction::late;
  if (plan_->mode != ServiceMode::bait) {
    done = route(decision);
    if (outcome.decision.pass == Sieve::Pass::suppress) outcome.decision = {};
  } else if (decision.pass == Sieve::Pass::suppress) {
    suppress(outcome, standing);
    done = outcome.action;
  }
  for (RuleHit& hit : outcome.hits) {
    if (counts(hit)) hit.action = done;
    shared_.counters.hit(hit);
    if (hit.action == HitAction::switched && !switch_) switch_ = hit;
  }
  say_stopped(outcome);
  return outcome;
}

bool SessionFilter::counts(const RuleHit& hit) const {
  return hit.grade == RuleGrade::specific || plan_->on_any;
}

// Of a trap and a switch: nothing is suppressed. What is done about a rule that counts.
HitAction SessionFilter::route(const Sieve::Decision& decision) {
  if (plan_->mode == ServiceMode::switching) return HitAction::switched;
  if (way_ == Way::bait) return HitAction::tagged;
  if (way_ == Way::production) return HitAction::late;
  if (decision.pass == Sieve::Pass::hold) return HitAction::tagged;
  way_ = decision.pass == Sieve::Pass::suppress ? Way::bait : Way::production;
  return way_ == Way::bait ? HitAction::trapped : HitAction::late;
}

int64_t SessionFilter::due_ns() const {
  if (way_ != Way::undecided) return plan_->mode == ServiceMode::bait ? sieve_.due_ns() : 0;
  return sieve_.due_ns() != 0 ? sieve_.due_ns() : opened_ns_ + plan_->sieve.ns_max;
}

Sieve::Decision SessionFilter::due(int64_t now_ns) {
  const Sieve::Decision decision = sieve_.due(now_ns);
  if (way_ == Way::undecided && decision.pass == Sieve::Pass::forward) way_ = Way::production;
  return decision;
}

void SessionFilter::suppress(Outcome& outcome, const Standing& standing) {
  over_ = true;
  const auto by = std::find_if(outcome.hits.begin(), outcome.hits.end(),
                               [](const RuleHit& hit) { return hit.grade == RuleGrade::specific; });
  recorded_ = shared_.places.samples->take(by->gid, by->sid, standing.realtime_ns / kDayNs, plan_->samples_a_day);
  ++(recorded_ ? shared_.counters.samples : shared_.counters.headers);
  outcome.action = choose(standing, outcome.notes);
}

// What the plan says, where it can be done.
HitAction SessionFilter::choose(const Standing& standing, std::vector<std::string>& notes) {
  switch (plan_->action) {
    case formats::FilterAction::drop:
      return HitAction::dropped;
    case formats::FilterAction::reset:
      break;
    case formats::FilterAction::tarpit:
      place_ = shared_.places.tarpit.take(plan_->tarpits_max);
      if (place_) return HitAction::tarpitted;
      notes.emplace_back("reset instead of kept in the tarpit: tarpits_max are there");
      break;
    case formats::FilterAction::divert:
      if (standing.untouched) return HitAction::diverted;
      notes.emplace_back("reset instead of diverted: bytes had been forwarded already");
      break;
  }
  return HitAction::reset;
}

void SessionFilter::say_stopped(Outcome& outcome) {
  const auto stopped = scanner_.stopped();
  if (!stopped || std::exchange(stop_said_, true)) return;
  ++shared_.counters.stopped[std::string(stopped->why)];
  outcome.notes.push_back(fmt::format("scanned to byte {}: {}", stopped->stream_offset, stopped->why));
}

}  // namespace skep::proxy
