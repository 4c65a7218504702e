#include "proxy/reload.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "formats/yaml.h"

namespace skep::proxy {
namespace {

constexpr std::string_view kMayChange[] = {
    "services",
    "sessions_max",
    "sessions_per_source_max",
    "accepts_per_second_max",
    "accepts_per_second_per_source_max",
    "accept_burst_ms",
    "source_prefix_v6",
    "connect_timeout_ms",
    "idle_timeout_ms",
    "udp_timeout_ms",
    "udp_sessions_max",
    "life_ms",
    "session_bytes_max",
    "shutdown_grace_ms",
    "bait_retry_ms",
    "buffer_bytes",
    "durability",
    "filter",
    "replay",
    "log",
};

// Each key with its value as text. Both sides are written by the same emitter, so that equal values are equal texts.
std::map<std::string, std::string> values_of(const formats::ProxyOptions& options) {
  std::map<std::string, std::string> values;
  const auto document = formats::parse_yaml("the options in force", formats::effective_yaml(options));
  if (!document) return values;
  for (const auto& item : *document) values[item.first.as<std::string>("")] = YAML::Dump(item.second);
  return values;
}

// By name, each service's options as text.
std::map<std::string, std::string> services_of(const formats::ProxyOptions& options) {
  std::map<std::string, std::string> services;
  const auto document = formats::parse_yaml("the options in force", formats::effective_yaml(options));
  if (!document) return services;
  for (const YAML::Node& each : (*document)["services"]) services[each["name"].as<std::string>("")] = YAML::Dump(each);
  return services;
}

}  // namespace

bool may_change(std::string_view key) {
  return std::find(std::begin(kMayChange), std::end(kMayChange), key) != std::end(kMayChange);
}

OptionsChange compare(const formats::ProxyOptions& now, const formats::ProxyOptions& next) {
  OptionsChange change;
  auto before = values_of(now);
  auto after = values_of(next);
  for (const auto& [key, value] : after) before.try_emplace(key);  // left out before
  for (const auto& [key, value] : before) {
    if (value == after[key]) continue;
    (may_change(key) ? change.keys : change.fixed).push_back(key);
  }
  const auto services = services_of(now);
  const auto services_next = services_of(next);
  for (const formats::ServiceOptions& each : next.services) {
    const auto found = services.find(each.name);
    change.service_kept.push_back(found != services.end() && found->second == services_next.at(each.name));
  }
  return change;
}

std::string refusal_of(const std::vector<std::string>& fixed) {
  return fmt::format("{} cannot change while skep-proxy runs: nothing was changed; set {} back, or restart it",
                     fmt::join(fixed, ", "), fixed.size() == 1 ? "it" : "them");
}

}  // namespace skep::proxy
