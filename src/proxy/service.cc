#include "proxy/service.h"

#include <algorithm>
#include <cstring>

#include "formats/outgoing.h"

namespace skep::proxy {
namespace {

constexpr int64_t kMillisecond = 1'000'000;

// Names are known to be there: the options were checked.
template <typename T>
size_t number_of(const std::vector<T>& all, const std::string& name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const T& each) { return each.name == name; });
  return static_cast<size_t>(found - all.begin());
}

bool within(const Endpoint& endpoint, const skep_net& net) {
  uint64_t address[2];
  std::memcpy(address, endpoint.address.data(), sizeof address);
  return skep_net_holds(&net, address);
}

}  // namespace

Service::Service(const formats::ServiceOptions& wanted, const RouteOptions& routing)
    : options(wanted), route(wanted.baits.size(), routing) {
  for (const std::string& text : wanted.proxy_protocol.from) {
    if (const auto net = formats::network_of(text)) balancers.push_back(*net);
  }
}

bool Service::trusts(const Endpoint& peer) const {
  return std::any_of(balancers.begin(), balancers.end(), [&](const skep_net& net) { return within(peer, net); });
}

std::vector<Service> services_of(const formats::ProxyOptions& options) {
  const RouteOptions routing{options.sticky_ms * kMillisecond, options.sticky_sources_max,
                             options.bait_retry_ms * kMillisecond};
  std::vector<Service> services;
  services.reserve(options.services.size());
  for (const formats::ServiceOptions& each : options.services) {
    Service& service = services.emplace_back(each, routing);
    for (const formats::Upstream& upstream : each.baits)
      service.baits.push_back(upstream.bait.empty() ? Service::kUnsupervised : number_of(options.baits, upstream.bait));
    if (!each.linked_to.empty()) service.linked_to = number_of(options.services, each.linked_to);
  }
  for (const Service& service : services) {
    if (service.linked_to) services[*service.linked_to].is_parent = true;
  }
  return services;
}

}  // namespace skep::proxy
