#include "formats/service_options.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "formats/outgoing.h"

namespace skep::formats {
namespace {

constexpr uint32_t kHeaderMsMin = 10;
constexpr uint32_t kHeaderMsMax = 60'000;

bool read_range(YamlMap& map, std::string_view key, const std::string& text, EndpointRange& out) {
  const auto range = parse_endpoint_range(text);
  if (!range) {
    map.complain(key, fmt::format("'{}' is no address:port (192.0.2.1:80, [2001:db8::1]:80, 192.0.2.1:30000-30009; {} "
                                  "ports are the most)",
                                  text, kRangePortsMax));
    return false;
  }
  out = *range;
  return true;
}

void read_listen(YamlMap& map, ServiceOptions& service) {
  std::vector<std::string> texts;
  map.texts("listen", texts);
  for (const std::string& text : texts) {
    EndpointRange where;
    if (read_range(map, "listen", text, where)) service.listen.push_back(where);
  }
}

void read_address(YamlMap& map, std::string_view key, const ServiceOptions& service, Upstream& upstream) {
  std::string text;
  if (!map.text(key, text) || !read_range(map, key, text, upstream.address)) return;
  const uint16_t ports = upstream.address.ports;
  if (ports > 1 && std::any_of(service.listen.begin(), service.listen.end(),
                               [&](const EndpointRange& where) { return where.ports != ports; }))
    map.complain(key, fmt::format("'{}' has {} ports: `listen` wants as many", text, ports));
}

void read_baits(YamlMap& map, Complaints& complaints, ServiceOptions& service) {
  const std::vector<YAML::Node> list = map.list("baits");
  for (const YAML::Node& node : list) {
    YamlMap one(node, complaints, "a bait of a service");
    Upstream upstream;
    one.require("address");
    one.text("bait", upstream.bait);
    read_address(one, "address", service, upstream);
    one.finish();
    service.baits.push_back(std::move(upstream));
  }
  if (list.size() > kBaitsAServiceMax) map.complain("baits", fmt::format("more than {} baits", kBaitsAServiceMax));
  if (!list.empty()) {
    for (const char* key : {"bait", "address"}) {
      if (map.node(key).IsDefined()) map.complain(key, "stands beside `baits`: either the one or the other");
    }
    return;
  }
  map.require("address");
  Upstream upstream;
  map.text("bait", upstream.bait);
  read_address(map, "address", service, upstream);
  service.baits.push_back(std::move(upstream));
}

BalancerOptions read_balancers(const YAML::Node& node, Complaints& complaints) {
  YamlMap map(node, complaints, "proxy_protocol");
  BalancerOptions balancers;
  map.require("from");
  map.texts("from", balancers.from);
  map.number("timeout_ms", balancers.timeout_ms, kHeaderMsMin, kHeaderMsMax);
  for (const std::string& net : balancers.from) {
    if (const auto known = network_of(net); !known) map.complain("from", known.error().message);
  }
  if (balancers.from.size() > kBalancersMax) map.complain("from", fmt::format("more than {} networks", kBalancersMax));
  map.finish();
  return balancers;
}

// One of two words; the first is the default.
void read_choice(YamlMap& map, std::string_view key, std::string_view first, std::string_view second, bool& is_second) {
  std::string text;
  if (!map.text(key, text)) return;
  if (text != first && text != second)
    map.complain(key, fmt::format("wants {} or {}, found '{}'", first, second, text));
  is_second = text == second;
}

// What a service over UDP cannot have.
void check_protocol(YamlMap& map, const ServiceOptions& service) {
  if (service.protocol != Protocol::udp) return;
  if (!service.proxy_protocol.from.empty())
    map.complain("proxy_protocol", "no header stands before datagrams: it is for `protocol: tcp`");
  if (service.transparent)
    map.complain("transparent", "is for `protocol: tcp`: an answer would not come from the port that was redirected");
}

constexpr std::string_view kModes[] = {"bait", "trap", "switch"};

void read_mode(YamlMap& map, ServiceOptions& service) {
  std::string text;
  if (map.text("mode", text)) {
    const auto* const named = std::find(std::begin(kModes), std::end(kModes), text);
    if (named == std::end(kModes)) map.complain("mode", fmt::format("wants bait, trap or switch, found '{}'", text));
    if (named != std::end(kModes)) service.mode = static_cast<ServiceMode>(named - std::begin(kModes));
  }
  bool specific = false;
  read_choice(map, "trap_on", "any", "specific", specific);
  service.trap_on_any = !specific;
  Upstream production;
  const bool there = map.node("production").IsDefined();
  if (there) read_address(map, "production", service, production);
  service.production = production.address;
  if (service.mode == ServiceMode::bait) {
    if (there) map.complain("production", "is for `mode: trap` and `mode: switch`");
    return;
  }
  if (!there) map.complain("mode", "wants `production: ADDRESS:PORT`: where the real service is");
  if (service.protocol == Protocol::udp) map.complain("mode", "trap and switch are for `protocol: tcp`");
  if (service.filter.off) map.complain("filter", "off: trap and switch go by its rules");
}

std::string did_you_mean(const std::string& name, const std::vector<std::string_view>& names) {
  const std::string_view near = nearest(name, names);
  return near.empty() ? "" : fmt::format("; did you mean '{}'?", near);
}

void emit_upstream(YAML::Emitter& out, const Upstream& upstream) {
  if (!upstream.bait.empty()) out << YAML::Key << "bait" << YAML::Value << upstream.bait;
  out << YAML::Key << "address" << YAML::Value << to_string(upstream.address);
}

}  // namespace

Endpoint EndpointRange::at(uint16_t offset) const {
  Endpoint endpoint = first;
  endpoint.port = static_cast<uint16_t>(first.port + offset);
  return endpoint;
}

bool EndpointRange::contains(const Endpoint& endpoint) const {
  return endpoint.address == first.address && endpoint.port >= first.port && endpoint.port - first.port < ports;
}

std::string to_string(const EndpointRange& range) {
  const std::string first = to_string(range.first);
  return range.ports == 1 ? first : fmt::format("{}-{}", first, range.first.port + range.ports - 1);
}

std::optional<EndpointRange> parse_endpoint_range(std::string_view text) {
  const size_t dash = text.rfind('-');
  const auto first = parse_endpoint(text.substr(0, dash));
  if (!first || first->port == 0) return std::nullopt;
  if (dash == std::string_view::npos) return EndpointRange{*first, 1};
  uint16_t last = 0;
  const auto [end, error] = std::from_chars(text.data() + dash + 1, text.data() + text.size(), last);
  if (error != std::errc{} || end != text.data() + text.size() || last < first->port) return std::nullopt;
  if (last - first->port >= kRangePortsMax) return std::nullopt;
  return EndpointRange{*first, static_cast<uint16_t>(last - first->port + 1)};
}

size_t ports_of(const std::vector<ServiceOptions>& services) {
  size_t ports = 0;
  for (const ServiceOptions& service : services) {
    for (const EndpointRange& where : service.listen) ports += where.ports;
  }
  return ports;
}

ServiceOptions read_service(const YAML::Node& node, Complaints& complaints) {
  YamlMap map(node, complaints, "a service");
  ServiceOptions service;
  for (const char* key : {"name", "listen"}) map.require(key);
  map.text("name", service.name);
  read_listen(map, service);
  bool udp = false;
  read_choice(map, "protocol", "tcp", "udp", udp);
  service.protocol = udp ? Protocol::udp : Protocol::tcp;
  read_baits(map, complaints, service);
  bool cut = false;
  read_choice(map, "on_alert", "tag", "cut", cut);
  service.on_alert = cut ? OnAlert::cut : OnAlert::tag;
  map.text("linked_to", service.linked_to);
  map.truth("transparent", service.transparent);
  read_choice(map, "source", "own", "transparent", service.source_kept);
  if (const YAML::Node balancers = map.node("proxy_protocol"); balancers.IsDefined())
    service.proxy_protocol = read_balancers(balancers, complaints);
  if (const YAML::Node filter = map.node("filter"); filter.IsDefined())
    service.filter = read_service_filter(filter, complaints);
  read_mode(map, service);
  check_protocol(map, service);
  map.finish();
  return service;
}

void emit_service(YAML::Emitter& out, const ServiceOptions& service) {
  out << YAML::BeginMap << YAML::Key << "name" << YAML::Value << service.name;
  std::vector<std::string> listen;
  for (const EndpointRange& where : service.listen) listen.push_back(to_string(where));
  out << YAML::Key << "protocol" << YAML::Value << std::string(to_string(service.protocol));
  out << YAML::Key << "listen" << YAML::Value << YAML::Flow << listen;
  if (service.baits.size() == 1) {
    emit_upstream(out, service.baits[0]);
  } else {
    out << YAML::Key << "baits" << YAML::Value << YAML::BeginSeq;
    for (const Upstream& upstream : service.baits) {
      out << YAML::Flow << YAML::BeginMap;
      emit_upstream(out, upstream);
      out << YAML::EndMap;
    }
    out << YAML::EndSeq;
  }
  out << YAML::Key << "on_alert" << YAML::Value << (service.on_alert == OnAlert::cut ? "cut" : "tag");
  if (!service.linked_to.empty()) out << YAML::Key << "linked_to" << YAML::Value << service.linked_to;
  out << YAML::Key << "transparent" << YAML::Value << service.transparent;
  out << YAML::Key << "source" << YAML::Value << (service.source_kept ? "transparent" : "own");
  if (!service.proxy_protocol.from.empty()) {
    out << YAML::Key << "proxy_protocol" << YAML::Value << YAML::BeginMap;
    out << YAML::Key << "from" << YAML::Value << YAML::Flow << service.proxy_protocol.from;
    out << YAML::Key << "timeout_ms" << YAML::Value << service.proxy_protocol.timeout_ms << YAML::EndMap;
  }
  if (service.mode != ServiceMode::bait) {
    out << YAML::Key << "mode" << YAML::Value << std::string(kModes[static_cast<size_t>(service.mode)]);
    out << YAML::Key << "production" << YAML::Value << to_string(service.production);
    out << YAML::Key << "trap_on" << YAML::Value << (service.trap_on_any ? "any" : "specific");
  }
  emit_service_filter(out, service.filter);
  out << YAML::EndMap;
}

void check_services(const std::vector<ServiceOptions>& services, const std::vector<std::string_view>& baits,
                    YamlMap& map) {
  const auto known = [](const std::vector<std::string_view>& all, const std::string& name) {
    return std::find(all.begin(), all.end(), name) != all.end();
  };
  std::vector<std::string_view> names;
  const size_t ports = ports_of(services);
  for (const ServiceOptions& service : services) {
    if (known(names, service.name)) map.complain("services", fmt::format("two services are named '{}'", service.name));
    names.push_back(service.name);
    for (const Upstream& upstream : service.baits) {
      if (!upstream.bait.empty() && !known(baits, upstream.bait))
        map.complain("services", fmt::format("{}: no bait is named '{}'{}", service.name, upstream.bait,
                                             did_you_mean(upstream.bait, baits)));
    }
  }
  for (const ServiceOptions& service : services) {
    const std::string& parent = service.linked_to;
    if (parent.empty() || (known(names, parent) && parent != service.name)) continue;
    map.complain("services", fmt::format("{}: linked_to: no other service is named '{}'{}", service.name, parent,
                                         did_you_mean(parent, names)));
  }
  if (ports > kListenersMax)
    map.complain("services", fmt::format("{} ports are listened on: {} are the most", ports, kListenersMax));
}

}  // namespace skep::formats
