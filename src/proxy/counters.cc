#include "proxy/counters.h"

namespace skep::proxy {

ServiceCounters& ServiceCounters::operator+=(const ServiceCounters& other) {
  sessions += other.sessions;
  live += other.live;
  for (size_t i = 0; i < kClasses; ++i) classes[i] += other.classes[i];
  for (size_t i = 0; i < kEndReasons; ++i) ended[i] += other.ended[i];
  bytes_in += other.bytes_in;
  bytes_out += other.bytes_out;
  return *this;
}

void Counters::opened(const std::string& service) {
  ServiceCounters& of = services[service];
  ++of.sessions;
  ++of.live;
  ++of.classes[static_cast<size_t>(SessionClass::harmless)];
  ++sessions_total;
}

void Counters::ended(const std::string& service, EndReason reason, uint64_t bytes_in, uint64_t bytes_out) {
  ServiceCounters& of = services[service];
  --of.live;
  ++of.ended[static_cast<size_t>(reason)];
  of.bytes_in += bytes_in;
  of.bytes_out += bytes_out;
}

void Counters::refused(const std::string& service, std::string_view limit) {
  opened(service);
  ended(service, EndReason::limit, 0, 0);
  ++sessions_refused;
  met(limit);
}

void Counters::met(std::string_view limit) {
  ++limits[std::string(limit)];
}

void Counters::alert(const std::string& rule) {
  const bool known = alerts.contains(rule);
  ++alerts[known || alerts.size() < kRulesMax ? rule : "other"];
}

void Counters::raised(const std::string& service, SessionClass from, SessionClass to) {
  ServiceCounters& of = services[service];
  if (from == to || of.classes[static_cast<size_t>(from)] == 0) return;
  --of.classes[static_cast<size_t>(from)];
  ++of.classes[static_cast<size_t>(to)];
}

Counters& Counters::operator+=(const Counters& other) {
  for (const auto& [name, of] : other.services) services[name] += of;
  for (const auto& [name, count] : other.limits) limits[name] += count;
  for (const auto& [name, count] : other.alerts) alerts[name] += count;
  filter += other.filter;
  sessions_total += other.sessions_total;
  sessions_refused += other.sessions_refused;
  datagrams_lost += other.datagrams_lost;
  datagrams_after_cut += other.datagrams_after_cut;
  datagrams_unrecorded += other.datagrams_unrecorded;
  return *this;
}

}  // namespace skep::proxy
