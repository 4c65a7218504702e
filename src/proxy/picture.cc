#include "proxy/picture.h"

#include <span>

#include "base/clock.h"
#include "base/text.h"

namespace skep::proxy {
namespace {

// Of an enumeration, those that are not 0.
template <typename Value>
void counts(JsonWriter& json, std::string_view key, std::span<const uint64_t> numbers) {
  json.key(key).begin_object();
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] != 0) json.field(to_string(static_cast<Value>(i)), numbers[i]);
  }
  json.end_object();
}

void counts(JsonWriter& json, std::string_view key, const std::map<std::string, uint64_t, std::less<>>& numbers) {
  json.key(key).begin_object();
  for (const auto& [name, number] : numbers) json.field(name, number);
  json.end_object();
}

void service(JsonWriter& json, const std::string& name, const ServiceCounters& of) {
  json.begin_object().field("name", name).field("live", of.live).field("sessions", of.sessions);
  counts<SessionClass>(json, "classes", of.classes);
  counts<EndReason>(json, "ended", of.ended);
  json.field("bytes_in", of.bytes_in).field("bytes_out", of.bytes_out).end_object();
}

void upstream(JsonWriter& json, const UpstreamPicture& of) {
  json.begin_object().field("service", of.service).field("bait", of.bait).field("address", of.address);
  json.field("left_out", of.left_out).field("failures", of.failures).end_object();
}

void sessions(JsonWriter& json, const Picture& picture) {
  const Counters& counters = picture.counters;
  json.field("sessions_live", picture.sessions_live())
      .field("sessions_total", counters.sessions_total)
      .field("sessions_refused", counters.sessions_refused)
      .field("waiting_for_port", picture.waiting_for_port);
  json.field("datagrams_lost", counters.datagrams_lost)
      .field("datagrams_after_cut", counters.datagrams_after_cut)
      .field("datagrams_unrecorded", counters.datagrams_unrecorded);
  json.key("services").begin_array();
  for (const auto& [name, of] : counters.services) service(json, name, of);
  json.end_array();
  counts(json, "limits", counters.limits);
  counts(json, "alerts", counters.alerts);
}

void filter(JsonWriter& json, const Picture& picture) {
  const FilterFigures& figures = picture.filter;
  const FilterCounters& counted = picture.counters.filter;
  json.key("filter").begin_object().field("engine", figures.engine).field("rules", figures.rules);
  json.field("specific", figures.specific).field("refused", figures.refused);
  json.field("not_applicable", figures.not_applicable).field("sets", figures.sets);
  json.field("bad_sources", figures.bad_sources);
  counts<HitAction>(json, "hits", counted.hits);
  counts(json, "rules_hit", counted.rules);
  json.field("samples", counted.samples).field("headers", counted.headers).field("tarpitted", picture.tarpitted);
  json.field("to_production", counted.to_production).field("switched", picture.switched);
  json.field("switched_turned_down", picture.switched_turned_down).field("given_up", counted.given_up);
  counts(json, "stopped", counted.stopped);
  json.field("out_of_window", counted.scans.out_of_window).field("expression_limit", counted.scans.expression_limit);
  json.field("effort_limit", counted.scans.effort_limit).field("http_broken", counted.scans.http_broken).end_object();
}

}  // namespace

uint64_t Picture::sessions_live() const {
  uint64_t live = 0;
  for (const auto& [name, of] : counters.services) live += of.live;
  return live;
}

void Picture::add(const Picture& shard) {
  counters += shard.counters;
  ring_bytes += shard.ring_bytes;
  ring_bytes_used += shard.ring_bytes_used;
  waiting_for_port += shard.waiting_for_port;
  descriptors_of_sessions += shard.descriptors_of_sessions;
}

std::vector<std::string_view> degraded_states(const Wholeness& whole) {
  std::vector<std::string_view> states;
  if (whole.health.disk_full) states.emplace_back("disk-full");
  if (whole.health.tagged_only) states.emplace_back("tagged-only");
  if (whole.health.metadata_only) states.emplace_back("metadata-only");
  if (whole.out_of_descriptors) states.emplace_back("descriptors");
  if (whole.monitor_away) states.emplace_back("monitor-away");
  if (whole.health.ring_behind) states.emplace_back("ring-behind");
  return states;
}

std::string status_json(const Picture& picture) {
  JsonWriter json;
  json.begin_object().field("program", "skep-proxy").field("archive", picture.archive);
  json.field("started", format_time(picture.started_ns)).field("uptime_s", picture.uptime_ns / 1'000'000'000);
  sessions(json, picture);
  if (picture.filtering) filter(json, picture);
  const archive::Health& health = picture.whole.health;
  json.field("records_lost", health.records_lost)
      .field("bytes_lost", health.bytes_lost)
      .field("bytes_recorded", health.bytes)
      .field("segments", health.segments);
  json.field("shards", picture.shards)
      .field("ring_bytes", picture.ring_bytes)
      .field("ring_bytes_used", picture.ring_bytes_used);
  json.field("descriptors_of_sessions", picture.descriptors_of_sessions)
      .field("descriptors_max", picture.descriptors_max)
      .field("sessions_allowed", picture.sessions_allowed)
      .field("buffers_bytes", picture.buffers_bytes)
      .field("sources_known", picture.sources_known)
      .field("sources_forgotten_early", picture.sources_forgotten_early);
  json.key("tagged_logs").begin_object().field("written", picture.tagged_logs.written);
  json.field("failed", picture.tagged_logs.failed).field("overflowed", picture.tagged_logs.overflowed).end_object();
  json.key("baits").begin_array();
  for (const BaitPicture& bait : picture.baits) json.raw(bait.json);
  json.end_array().field("waiting_for_header", picture.waiting_for_header).key("upstreams").begin_array();
  for (const UpstreamPicture& each : picture.upstreams) upstream(json, each);
  json.end_array().key("degraded").begin_array();
  for (const std::string_view state : degraded_states(picture.whole)) json.value(state);
  return json.end_array().end_object().take();
}

}  // namespace skep::proxy
