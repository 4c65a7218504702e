#include "proxy/filter_counters.h"

namespace skep::proxy {
namespace {

void add(payload::ScanCounts& sum, const payload::ScanCounts& more) {
  sum.out_of_window += more.out_of_window;
  sum.expression_limit += more.expression_limit;
  sum.effort_limit += more.effort_limit;
  sum.http_broken += more.http_broken;
}

}  // namespace

void FilterCounters::hit(const RuleHit& hit) {
  ++hits[static_cast<size_t>(hit.action)];
  const std::string name = rule_name(hit);
  const bool known = rules.contains(name);
  ++rules[known || rules.size() < kRulesMax ? name : "other"];
}

void FilterCounters::ended(const payload::ScanCounts& counts, uint64_t given_up_holds) {
  add(scans, counts);
  given_up += given_up_holds;
}

FilterCounters& FilterCounters::operator+=(const FilterCounters& other) {
  for (size_t i = 0; i < kActions; ++i) hits[i] += other.hits[i];
  for (const auto& [rule, count] : other.rules) rules[rule] += count;
  for (const auto& [why, count] : other.stopped) stopped[why] += count;
  samples += other.samples;
  headers += other.headers;
  to_production += other.to_production;
  given_up += other.given_up;
  add(scans, other.scans);
  return *this;
}

}  // namespace skep::proxy
