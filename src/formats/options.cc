#include "formats/options.h"

#include <sched.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "formats/log_options.h"
#include "formats/segment.h"
#include "formats/yaml.h"

namespace skep::formats {
namespace {

// The whole numbers of proxy.yaml: one row each, from which come the parser, --effective and docs/reference/options.md.
struct NumberRow {
  std::string_view key;
  uint32_t ProxyOptions::*field;
  uint32_t least;
  uint32_t most;
};
constexpr NumberRow kProxyNumbers[] = {
    {"sessions_max", &ProxyOptions::sessions_max, 1, 1'000'000},
    {"sessions_per_source_max", &ProxyOptions::sessions_per_source_max, 0, 1'000'000},
    {"accepts_per_second_max", &ProxyOptions::accepts_per_second_max, 0, 10'000'000},
    {"accepts_per_second_per_source_max", &ProxyOptions::accepts_per_second_per_source_max, 0, 10'000'000},
    {"accept_burst_ms", &ProxyOptions::accept_burst_ms, 0, 3'600'000},
    {"sources_max", &ProxyOptions::sources_max, 1, 16'000'000},
    {"source_prefix_v6", &ProxyOptions::source_prefix_v6, 1, 128},
    {"connect_timeout_ms", &ProxyOptions::connect_timeout_ms, 1, 600'000},
    {"sticky_ms", &ProxyOptions::sticky_ms, 0, 86'400'000},
    {"sticky_sources_max", &ProxyOptions::sticky_sources_max, 2, 16'000'000},
    {"bait_retry_ms", &ProxyOptions::bait_retry_ms, 0, 3'600'000},
    {"idle_timeout_ms", &ProxyOptions::idle_timeout_ms, 1, 86'400'000},
    {"udp_timeout_ms", &ProxyOptions::udp_timeout_ms, 1, 86'400'000},
    {"udp_sessions_max", &ProxyOptions::udp_sessions_max, 1, 1'000'000},
    {"life_ms", &ProxyOptions::life_ms, 0, UINT32_MAX},
    {"shutdown_grace_ms", &ProxyOptions::shutdown_grace_ms, 0, 600'000},
    {"buffer_bytes", &ProxyOptions::buffer_bytes, 4096, kPayloadBytesMax},
    {"heartbeat_ms", &ProxyOptions::heartbeat_ms, 50, 60'000},
    {"compress_after_s", &ProxyOptions::compress_after_s, 0, 86'400},
    {"shards", &ProxyOptions::shards, 0, kShardsMax},
};
// Those that need 64 bits.
struct BytesRow {
  std::string_view key;
  uint64_t ProxyOptions::*field;
  uint64_t least;
  uint64_t most;
};
constexpr BytesRow kProxyBytes[] = {
    {"segment_bytes", &ProxyOptions::segment_bytes, 1 << 20, uint64_t{1} << 32},
    {"session_bytes_max", &ProxyOptions::session_bytes_max, 0, uint64_t{1} << 50},
    {"buffers_bytes_max", &ProxyOptions::buffers_bytes_max, 1 << 20, uint64_t{1} << 40},
};

bool read_endpoint(YamlMap& map, std::string_view key, const std::string& text, Endpoint& out) {
  const auto endpoint = parse_endpoint(text);
  if (!endpoint || endpoint->port == 0) {
    map.complain(key, fmt::format("'{}' is no address:port (192.0.2.1:80, [2001:db8::1]:80)", text));
    return false;
  }
  out = *endpoint;
  return true;
}

bool endpoint(YamlMap& map, std::string_view key, Endpoint& out) {
  std::string text;
  return map.text(key, text) && read_endpoint(map, key, text, out);
}

BaitOptions read_bait(const YAML::Node& node, Complaints& complaints) {
  YamlMap map(node, complaints, "a bait");
  BaitOptions bait;
  map.require("name");
  map.require("monitor");
  map.text("name", bait.name);
  endpoint(map, "monitor", bait.monitor);
  map.finish();
  return bait;
}

void read_source_ports(YamlMap& map, ProxyOptions& options) {
  std::string text;
  if (!map.text("source_ports", text)) return;
  const auto parts = split(text, '-');
  uint16_t ports[2] = {0, 0};
  bool good = parts.size() == 2;
  for (size_t i = 0; good && i < 2; ++i) {
    const auto [end, error] = std::from_chars(parts[i].data(), parts[i].data() + parts[i].size(), ports[i]);
    good = error == std::errc{} && end == parts[i].data() + parts[i].size() && ports[i] > 0;
  }
  if (!good || ports[0] > ports[1]) {
    map.complain("source_ports", fmt::format("wants a range as 40000-40999, found '{}'", text));
    return;
  }
  options.source_port_first = ports[0];
  options.source_port_last = ports[1];
}

void read_durability(YamlMap& map, ProxyOptions& options) {
  std::string text;
  if (!map.text("durability", text)) return;
  if (text != "forward" && text != "forward-after-disk")
    map.complain("durability", fmt::format("wants forward or forward-after-disk, found '{}'", text));
  options.durability = text == "forward-after-disk" ? Durability::disk : Durability::memory;
}

constexpr uint64_t kRetentionBytesLeast = uint64_t{64} << 20;

void read_retention(const YAML::Node& node, Complaints& complaints, RetentionOptions& retention) {
  YamlMap map(node, complaints, "retention");
  map.number("days", retention.days, 1, 36'500);
  map.number("bytes", retention.bytes, kRetentionBytesLeast, uint64_t{1} << 60);
  map.finish();
}

void emit_retention(YAML::Emitter& out, const RetentionOptions& retention) {
  if (retention.days == 0 && retention.bytes == 0) return;
  out << YAML::Key << "retention" << YAML::Value << YAML::Flow << YAML::BeginMap;
  if (retention.days > 0) out << YAML::Key << "days" << YAML::Value << retention.days;
  if (retention.bytes > 0) out << YAML::Key << "bytes" << YAML::Value << retention.bytes;
  out << YAML::EndMap;
}

void read_engine(YamlMap& map, ProxyOptions& options) {
  std::string text;
  if (!map.text("engine", text)) return;
  const auto* const named = std::find(std::begin(kEngineNames), std::end(kEngineNames), text);
  if (named == std::end(kEngineNames))
    map.complain("engine", fmt::format("wants auto, io_uring or epoll, found '{}'", text));
  else
    options.engine = static_cast<Engine>(named - std::begin(kEngineNames));
}

void check_names(const ProxyOptions& options, YamlMap& map) {
  std::vector<std::string_view> baits;
  for (const BaitOptions& bait : options.baits) {
    if (std::find(baits.begin(), baits.end(), bait.name) != baits.end())
      map.complain("baits", fmt::format("two baits are named '{}'", bait.name));
    baits.push_back(bait.name);
  }
  check_services(options.services, baits, map);
  for (const ServiceOptions& service : options.services) {
    if (service.mode != ServiceMode::bait && !(options.filter && !options.filter->rules.empty()))
      map.complain("services",
                   fmt::format("{}: trap and switch go by rules: `filter: {{rules: [FILE]}}`", service.name));
    const bool diverts = service.filter.action == FilterAction::divert;
    if (diverts && !(options.filter && options.filter->divert_to))
      map.complain("services",
                   fmt::format("{}: divert wants to know where: `filter: {{divert_to: ADDRESS:PORT}}`", service.name));
  }
}

MonitoredService read_monitored(const YAML::Node& node, Complaints& complaints) {
  YamlMap map(node, complaints, "a service");
  MonitoredService service;
  map.require("name");
  if (map.text("name", service.name) && service.name.size() > 31) map.complain("name", "longer than 31 characters");
  map.texts("command", service.command);
  std::vector<std::string> ports;
  if (!map.texts("ports", ports)) map.texts("port", ports);
  map.node("port");
  if (ports.empty()) map.complain("port", "a service wants a port (or ports)");
  for (const std::string& text : ports) {
    uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0) {
      map.complain("port", fmt::format("'{}' is no port", text));
    } else {
      service.ports.push_back(port);
    }
  }
  if (service.ports.size() > 16) map.complain("ports", "more than 16 ports");
  map.text("user", service.user);
  map.text("workdir", service.workdir);
  map.texts("env", service.env);
  map.text("output", service.output);
  map.texts("app_groups", service.app_groups);
  map.texts("intercept", service.intercept);
  map.number("pid", service.pid, 1, 1 << 22);
  map.text("cgroup", service.cgroup);
  map.truth("address_randomisation", service.address_randomisation);
  map.truth("interprets", service.interprets);
  map.text("profile", service.profile);
  if (const YAML::Node outgoing = map.node("outgoing"); outgoing.IsDefined())
    service.outgoing = read_outgoing(outgoing, complaints);
  const int ways = (service.command.empty() ? 0 : 1) + (service.pid > 0 ? 1 : 0) + (service.cgroup.empty() ? 0 : 1);
  if (map.usable() && ways != 1)
    complaints.add(node, fmt::format("service '{}' wants exactly one of command, pid, cgroup", service.name));
  if (service.command.empty() && !service.intercept.empty())
    map.complain("intercept", "wants a command: an adopted service carries no filter that could ask about its calls");
  map.finish();
  return service;
}

AppGroup read_group(const YAML::Node& node, Complaints& complaints) {
  YamlMap map(node, complaints, "an app group");
  AppGroup group;
  map.require("name");
  map.require("programs");
  map.text("name", group.name);
  map.texts("programs", group.programs);
  map.texts("parents", group.parents);
  map.finish();
  return group;
}

void check_groups(const MonitorOptions& options, YamlMap& map) {
  std::vector<std::string_view> groups;
  for (const AppGroup& group : options.app_groups) groups.push_back(group.name);
  std::vector<std::string_view> names;
  for (const MonitoredService& service : options.services) {
    if (std::find(names.begin(), names.end(), service.name) != names.end())
      map.complain("services", fmt::format("two services are named '{}'", service.name));
    names.push_back(service.name);
    for (const std::string& wanted : service.app_groups) {
      if (std::find(groups.begin(), groups.end(), wanted) != groups.end()) continue;
      const std::string_view near = nearest(wanted, groups);
      map.complain("services", fmt::format("{}: no app group is named '{}'{}", service.name, wanted,
                                           near.empty() ? "" : fmt::format("; did you mean '{}'?", near)));
    }
  }
}

void emit_texts(YAML::Emitter& out, const char* key, const std::vector<std::string>& texts) {
  if (!texts.empty()) out << YAML::Key << key << YAML::Value << YAML::Flow << texts;
}

void emit_text(YAML::Emitter& out, const char* key, const std::string& text) {
  if (!text.empty()) out << YAML::Key << key << YAML::Value << text;
}

}  // namespace

unsigned shards_of(const ProxyOptions& options) {
  if (options.shards > 0) return options.shards;
  cpu_set_t cpus;
  const int count = ::sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
  return std::clamp<unsigned>(static_cast<unsigned>(count), 1, kShardsByItself);
}

Result<ProxyOptions> parse_proxy_options(const std::string& path, const std::string& text) {
  const auto document = parse_yaml(path, text);
  if (!document) return tl::unexpected<Error>(document.error());
  Complaints complaints(path);
  YamlMap map(*document, complaints, "proxy.yaml");
  ProxyOptions options;
  map.require("archive");
  map.require("services");
  map.text("archive", options.archive);
  map.text("keys", options.keys);
  map.text("socket", options.socket);
  map.text("user", options.user);
  for (const YAML::Node& node : map.list("baits")) options.baits.push_back(read_bait(node, complaints));
  for (const YAML::Node& node : map.list("services")) options.services.push_back(read_service(node, complaints));
  for (const NumberRow& row : kProxyNumbers) map.number(row.key, options.*row.field, row.least, row.most);
  for (const BytesRow& row : kProxyBytes) map.number(row.key, options.*row.field, row.least, row.most);
  read_source_ports(map, options);
  read_durability(map, options);
  if (const YAML::Node retention = map.node("retention"); retention.IsDefined())
    read_retention(retention, complaints, options.retention);
  read_engine(map, options);
  if (const YAML::Node filter = map.node("filter"); filter.IsDefined())
    options.filter = read_filter(filter, complaints);
  if (const YAML::Node replay = map.node("replay"); replay.IsDefined())
    options.replay = read_replay(replay, complaints);
  read_log(map, options.log);
  if (Endpoint metrics; endpoint(map, "metrics", metrics)) options.metrics = metrics;
  if (options.socket.empty()) options.socket = options.archive + "/proxy.sock";
  if (!options.baits.empty() && options.keys.empty())
    map.complain("keys", "baits are spoken to with keys: name their folder (`skep keys init DIR` makes them)");
  check_names(options, map);
  map.finish();
  if (!complaints.none()) return complaints.failure();
  return options;
}

Result<MonitorOptions> parse_monitor_options(const std::string& path, const std::string& text) {
  const auto document = parse_yaml(path, text);
  if (!document) return tl::unexpected<Error>(document.error());
  Complaints complaints(path);
  YamlMap map(*document, complaints, "monitor.yaml");
  MonitorOptions options;
  for (const char* key : {"listen", "keys", "services"}) map.require(key);
  endpoint(map, "listen", options.listen);
  map.text("keys", options.keys);
  map.text("socket", options.socket);
  map.text("user", options.user);
  options.builtin_signatures = !map.texts("signatures", options.signatures);
  map.truth("follow", options.follow);
  read_log(map, options.log);
  for (const YAML::Node& node : map.list("services")) options.services.push_back(read_monitored(node, complaints));
  for (const YAML::Node& node : map.list("app_groups")) options.app_groups.push_back(read_group(node, complaints));
  map.texts("fence", options.fence);
  for (const std::string& net : options.fence) {
    if (const auto known = network_of(net); !known) map.complain("fence", known.error().message);
  }
  if (options.fence.size() > SKEP_FENCES_MAX)
    map.complain("fence", fmt::format("more than {} networks", int{SKEP_FENCES_MAX}));
  check_groups(options, map);
  map.finish();
  if (!complaints.none()) return complaints.failure();
  return options;
}

Result<std::vector<MonitoredService>> parse_monitored_services(const std::string& path, const std::string& text) {
  const auto document = parse_yaml(path, text);
  if (!document) return tl::unexpected<Error>(document.error());
  Complaints complaints(path);
  std::vector<MonitoredService> services;
  if (document->IsSequence()) {
    for (const auto& node : *document) services.push_back(read_monitored(node, complaints));
  } else {
    services.push_back(read_monitored(*document, complaints));
  }
  if (!complaints.none()) return complaints.failure();
  return services;
}

std::string effective_yaml(const ProxyOptions& options) {
  YAML::Emitter out;
  out << YAML::BeginMap;
  emit_text(out, "archive", options.archive);
  emit_text(out, "keys", options.keys);
  emit_text(out, "socket", options.socket);
  emit_text(out, "user", options.user);
  for (const NumberRow& row : kProxyNumbers)
    out << YAML::Key << std::string(row.key) << YAML::Value << options.*row.field;
  for (const BytesRow& row : kProxyBytes) out << YAML::Key << std::string(row.key) << YAML::Value << options.*row.field;
  emit_retention(out, options.retention);
  emit_text(out, "engine", std::string(kEngineNames[static_cast<size_t>(options.engine)]));
  emit_text(out, "durability", options.durability == Durability::disk ? "forward-after-disk" : "forward");
  if (options.filter) {
    out << YAML::Key << "filter" << YAML::Value;
    emit_filter(out, *options.filter);
  }
  emit_replay(out, options.replay);
  emit_log(out, options.log);
  if (options.metrics) emit_text(out, "metrics", to_string(*options.metrics));
  if (options.source_port_first != 0) {
    emit_text(out, "source_ports", fmt::format("{}-{}", options.source_port_first, options.source_port_last));
  }
  out << YAML::Key << "baits" << YAML::Value << YAML::BeginSeq;
  for (const BaitOptions& bait : options.baits) {
    out << YAML::Flow << YAML::BeginMap << YAML::Key << "name" << YAML::Value << bait.name << YAML::Key << "monitor"
        << YAML::Value << to_string(bait.monitor) << YAML::EndMap;
  }
  out << YAML::EndSeq << YAML::Key << "services" << YAML::Value << YAML::BeginSeq;
  for (const ServiceOptions& service : options.services) emit_service(out, service);
  out << YAML::EndSeq << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

std::string effective_yaml(const MonitorOptions& options) {
  YAML::Emitter out;
  out << YAML::BeginMap;
  emit_text(out, "listen", to_string(options.listen));
  emit_text(out, "keys", options.keys);
  emit_text(out, "socket", options.socket);
  emit_text(out, "user", options.user);
  emit_texts(out, "signatures", options.signatures);
  out << YAML::Key << "follow" << YAML::Value << options.follow;
  emit_log(out, options.log);
  emit_texts(out, "fence", options.fence);
  out << YAML::Key << "services" << YAML::Value << YAML::BeginSeq;
  for (const MonitoredService& service : options.services) {
    out << YAML::BeginMap;
    emit_text(out, "name", service.name);
    emit_texts(out, "command", service.command);
    out << YAML::Key << "ports" << YAML::Value << YAML::Flow
        << std::vector<int>(service.ports.begin(), service.ports.end());
    emit_text(out, "user", service.user);
    emit_text(out, "workdir", service.workdir);
    emit_texts(out, "env", service.env);
    emit_text(out, "output", service.output);
    emit_texts(out, "app_groups", service.app_groups);
    emit_texts(out, "intercept", service.intercept);
    if (service.pid > 0) out << YAML::Key << "pid" << YAML::Value << service.pid;
    emit_text(out, "cgroup", service.cgroup);
    emit_text(out, "profile", service.profile);
    out << YAML::Key << "address_randomisation" << YAML::Value << service.address_randomisation;
    out << YAML::Key << "interprets" << YAML::Value << service.interprets;
    out << YAML::Key << "outgoing" << YAML::Value;
    emit_outgoing(out, service.outgoing);
    out << YAML::EndMap;
  }
  out << YAML::EndSeq << YAML::Key << "app_groups" << YAML::Value << YAML::BeginSeq;
  for (const AppGroup& group : options.app_groups) {
    out << YAML::BeginMap;
    emit_text(out, "name", group.name);
    emit_texts(out, "programs", group.programs);
    if (!group.parents.empty()) emit_texts(out, "parents", group.parents);
    out << YAML::EndMap;
  }
  out << YAML::EndSeq << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace skep::formats
