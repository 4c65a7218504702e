#include "proxy/metrics.h"

#include <algorithm>

#include "base/text.h"

namespace skep::proxy {
namespace {

template <typename Value, size_t N>
void by_value(Samples& to, const Picture& of, std::string_view label, std::array<uint64_t, N> ServiceCounters::*field,
              size_t first = 0) {  // 1 of the reasons: open is none
  for (const auto& [service, counters] : of.counters.services) {
    for (size_t i = first; i < N; ++i)
      to.add({"service", service, label, to_string(static_cast<Value>(i))}, (counters.*field)[i]);
  }
}

void by_service(Samples& to, const Picture& of, uint64_t ServiceCounters::*field) {
  for (const auto& [service, counters] : of.counters.services) to.add({"service", service}, counters.*field);
}

void received(Samples& to, const Picture& of) {
  for (const auto& [service, counters] : of.counters.services) {
    to.add({"service", service, "from", "attacker"}, counters.bytes_in);
    to.add({"service", service, "from", "bait"}, counters.bytes_out);
  }
}

void degraded(Samples& to, const Picture& of) {
  const auto states = degraded_states(of.whole);
  for (const std::string_view state : kDegradedStates)
    to.add({"state", state}, std::find(states.begin(), states.end(), state) != states.end() ? 1 : 0);
}

constexpr MetricFamily kFamilies[] = {
    {"skep_uptime_seconds", "gauge", "", "Time since the proxy began.",
     [](Samples& to, const Picture& of) { to.add(static_cast<uint64_t>(of.uptime_ns) / 1'000'000'000); }},
    {"skep_sessions_live", "gauge", "service", "Sessions that are open.",
     [](Samples& to, const Picture& of) { by_service(to, of, &ServiceCounters::live); }},
    {"skep_sessions_opened_total", "counter", "service", "Connections accepted; each is a session.",
     [](Samples& to, const Picture& of) { by_service(to, of, &ServiceCounters::sessions); }},
    {"skep_sessions_by_class", "gauge", "service, class",
     "Sessions since the start by the class that they have now; it may rise after their end.",
     [](Samples& to, const Picture& of) { by_value<SessionClass>(to, of, "class", &ServiceCounters::classes); }},
    {"skep_sessions_ended_total", "counter", "service, reason", "Sessions that have ended.",
     [](Samples& to, const Picture& of) { by_value<EndReason>(to, of, "reason", &ServiceCounters::ended, 1); }},
    {"skep_received_bytes_total", "counter", "service, from", "Bytes received, from attackers and from the bait.",
     received},
    {"skep_limit_hits_total", "counter", "limit", "Sessions turned away or ended at a limit.",
     [](Samples& to, const Picture& of) {
       for (const auto& [limit, count] : of.counters.limits) to.add({"limit", limit}, count);
     }},
    {"skep_alerts_total", "counter", "rule", "Alerts that found their session; rules beyond 256 count as other.",
     [](Samples& to, const Picture& of) {
       for (const auto& [rule, count] : of.counters.alerts) to.add({"rule", rule}, count);
     }},
    {"skep_rule_hits_total", "counter", "action", "Payload rules that fired, by what was done.",
     [](Samples& to, const Picture& of) {
       for (size_t i = 0; i < FilterCounters::kActions; ++i)
         to.add({"action", to_string(static_cast<HitAction>(i))}, of.counters.filter.hits[i]);
     }},
    {"skep_rules_hit_total", "counter", "rule", "Payload rules that fired, by the rule; beyond 256 as other.",
     [](Samples& to, const Picture& of) {
       for (const auto& [rule, count] : of.counters.filter.rules) to.add({"rule", rule}, count);
     }},
    {"skep_rules_loaded", "gauge", "", "Payload rules that are looked for.",
     [](Samples& to, const Picture& of) { to.add(of.filter.rules); }},
    {"skep_rules_refused", "gauge", "", "Payload rules that could not be read, or not be looked for.",
     [](Samples& to, const Picture& of) { to.add(of.filter.refused); }},
    {"skep_suppressed_sessions_total", "counter", "kept", "Suppressed sessions, kept whole or by their header.",
     [](Samples& to, const Picture& of) {
       to.add({"kept", "whole"}, of.counters.filter.samples);
       to.add({"kept", "header"}, of.counters.filter.headers);
     }},
    {"skep_scans_stopped_total", "counter", "why", "Sessions of which the filter looked at no more.",
     [](Samples& to, const Picture& of) {
       for (const auto& [why, count] : of.counters.filter.stopped) to.add({"why", why}, count);
     }},
    {"skep_scan_limits_total", "counter", "limit", "Where the filter could not look as far as a rule wanted.",
     [](Samples& to, const Picture& of) {
       const FilterCounters& filter = of.counters.filter;
       to.add({"limit", "hold"}, filter.given_up);
       to.add({"limit", "window"}, filter.scans.out_of_window);
       to.add({"limit", "expression"}, filter.scans.expression_limit);
       to.add({"limit", "effort"}, filter.scans.effort_limit);
       to.add({"limit", "http"}, filter.scans.http_broken);
     }},
    {"skep_production_sessions_total", "counter", "", "Sessions of traps and switches that went to production.",
     [](Samples& to, const Picture& of) { to.add(of.counters.filter.to_production); }},
    {"skep_switched_sources", "gauge", "", "Sources whose sessions go to the bait for a while.",
     [](Samples& to, const Picture& of) { to.add(of.switched); }},
    {"skep_switch_refusals_total", "counter", "", "Sources for which there was no place among them.",
     [](Samples& to, const Picture& of) { to.add(of.switched_turned_down); }},
    {"skep_tarpitted", "gauge", "", "Attackers that are kept in the tarpit.",
     [](Samples& to, const Picture& of) { to.add(of.tarpitted); }},
    {"skep_recorded_bytes_total", "counter", "", "Bytes of the log, records' heads included.",
     [](Samples& to, const Picture& of) { to.add(of.whole.health.bytes); }},
    {"skep_datagrams_dropped_total", "counter", "why", "Datagrams that became no session's.",
     [](Samples& to, const Picture& of) {
       to.add({"why", "socket-full"}, of.counters.datagrams_lost);
       to.add({"why", "after-cut"}, of.counters.datagrams_after_cut);
       to.add({"why", "limit"}, of.counters.datagrams_unrecorded);
     }},
    {"skep_lost_records_total", "counter", "", "Records that could not be kept.",
     [](Samples& to, const Picture& of) { to.add(of.whole.health.records_lost); }},
    {"skep_lost_bytes_total", "counter", "", "Bytes of sessions that could not be kept.",
     [](Samples& to, const Picture& of) { to.add(of.whole.health.bytes_lost); }},
    {"skep_ring_bytes", "gauge", "", "Size of the ring between the sockets and the disk.",
     [](Samples& to, const Picture& of) { to.add(of.ring_bytes); }},
    {"skep_ring_used_bytes", "gauge", "", "Bytes of it that wait for the disk.",
     [](Samples& to, const Picture& of) { to.add(of.ring_bytes_used); }},
    {"skep_degraded", "gauge", "state", "1 while the state holds, as in `skep status`.", degraded},
    {"skep_sessions_waiting_for_port", "gauge", "", "Sessions that wait for a source port to the bait.",
     [](Samples& to, const Picture& of) { to.add(of.waiting_for_port); }},
    {"skep_session_descriptors", "gauge", "", "Descriptors that sessions hold.",
     [](Samples& to, const Picture& of) { to.add(of.descriptors_of_sessions); }},
    {"skep_descriptors_max", "gauge", "", "Descriptors that the process may hold.",
     [](Samples& to, const Picture& of) { to.add(of.descriptors_max); }},
    {"skep_monitor_connected", "gauge", "bait", "1 while the bait's monitor is connected.",
     [](Samples& to, const Picture& of) {
       for (const BaitPicture& bait : of.baits) to.add({"bait", bait.name}, bait.connected ? 1 : 0);
     }},
    {"skep_monitor_events_lost_total", "counter", "bait", "Kernel records and messages of the monitor that were lost.",
     [](Samples& to, const Picture& of) {
       for (const BaitPicture& bait : of.baits) to.add({"bait", bait.name}, bait.events_lost);
     }},
};

// As the format wants it: backslash, quote and line end escaped; printable() has left no line end.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

void Samples::add(std::initializer_list<std::string_view> labels, uint64_t value) {
  out_ += name_;
  char before = '{';
  for (const auto* at = labels.begin(); at != labels.end(); at += 2) {
    out_ += fmt::format("{}{}=\"{}\"", before, at[0], escaped(printable(at[1].substr(0, kLabelBytesMax))));
    before = ',';
  }
  if (labels.size() != 0) out_ += '}';
  out_ += fmt::format(" {}\n", value);
}

std::span<const MetricFamily> metric_families() {
  return kFamilies;
}

std::string metrics_text(const Picture& picture) {
  std::string out;
  for (const MetricFamily& family : kFamilies) {
    out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", family.name, family.help, family.type);
    Samples samples(out, family.name);
    family.samples(samples, picture);
  }
  return out;
}

}  // namespace skep::proxy
