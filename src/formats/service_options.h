// A service of proxy.yaml: where connections to it come in, and to which baits they go. docs/reference/services.md has
// each key.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/filter_options.h"
#include "formats/yaml.h"
#include "model/session.h"

namespace skep::formats {

// A port, or several that follow each other: "0.0.0.0:30000-30009".
struct EndpointRange {
  Endpoint first;
  uint16_t ports = 1;
  auto operator<=>(const EndpointRange&) const = default;
  // The end with the `offset`-th port.
  Endpoint at(uint16_t offset) const;
  bool contains(const Endpoint& endpoint) const;
};
std::string to_string(const EndpointRange& range);
// nullopt: no address with a port, or a range that runs backwards or is longer than kRangePortsMax.
std::optional<EndpointRange> parse_endpoint_range(std::string_view text);

constexpr uint16_t kRangePortsMax = 1024;
constexpr size_t kListenersMax = 4096;  // ports of all services
constexpr size_t kBaitsAServiceMax = 16;
constexpr size_t kBalancersMax = 64;  // networks

enum class OnAlert { tag, cut };

// Whom a service's sessions go to.
enum class ServiceMode : uint8_t {
  bait,
  trap,       // the very session in which a rule fires to the bait, from its first byte; any other to production
  switching,  // to production; after a rule has fired, later ones of that source to the bait
};

// The service on one honeypot host.
struct Upstream {
  std::string bait;       // empty: relayed and recorded without supervision
  EndpointRange address;  // one port, or as many as are listened on: then the n-th goes to the n-th
};

// Who may tell the client's address by a PROXY header; none: nobody, and such bytes are a client's as any other.
struct BalancerOptions {
  std::vector<std::string> from;
  uint32_t timeout_ms = 3000;  // for the header to be there
};

struct ServiceOptions {
  std::string name;
  Protocol protocol = Protocol::tcp;
  std::vector<EndpointRange> listen;
  std::vector<Upstream> baits;  // in turn, where there are several
  OnAlert on_alert = OnAlert::tag;
  std::string linked_to;     // the service to whose sessions those of this one belong; empty: none
  bool transparent = false;  // what is redirected here by TPROXY is taken as well
  bool source_kept = false;  // source: transparent; the bait sees the attacker's address
  BalancerOptions proxy_protocol;
  ServiceMode mode = ServiceMode::bait;
  EndpointRange production;  // of the other modes: the real service
  bool trap_on_any = true;   // trap_on: any; else specific rules alone
  ServiceFilter filter;      // what it has otherwise than `filter:` says
};

// That all of them listen on.
size_t ports_of(const std::vector<ServiceOptions>& services);

ServiceOptions read_service(const YAML::Node& node, Complaints& complaints);
void emit_service(YAML::Emitter& out, const ServiceOptions& service);
// What holds between services: names of services and baits, the number of ports.
void check_services(const std::vector<ServiceOptions>& services, const std::vector<std::string_view>& baits,
                    YamlMap& map);

}  // namespace skep::formats
