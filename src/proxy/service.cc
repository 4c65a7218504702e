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

void put_filters(Settings& settings, Filters filters) {
  settings.plans.resize(settings.services.size());
  for (size_t i = 0; i < filters.plans.size(); ++i) settings.plans[settings.current[i]] = std::move(filters.plans[i]);
  settings.sources = std::move(filters.sources);
  settings.filter_figures = std::move(filters.figures);
}

}  // namespace

Service::Service(const formats::ServiceOptions& wanted, const RouteOptions& routing)
    : options(wanted), route(std::make_shared<Guarded<Route>>(wanted.baits.size(), routing)) {
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

std::shared_ptr<const Settings> first_settings(const formats::ProxyOptions& options, Filters filters) {
  auto settings = std::make_shared<Settings>();
  settings->options = options;
  for (Service& service : services_of(options)) {
    settings->current.push_back(settings->services.size());
    settings->services.push_back(std::make_shared<Service>(std::move(service)));
  }
  put_filters(*settings, std::move(filters));
  return settings;
}

std::shared_ptr<const Settings> next_settings(const Settings& now, const formats::ProxyOptions& options,
                                              const std::vector<bool>& kept, Filters filters) {
  auto next = std::make_shared<Settings>();
  next->options = options;
  next->services = now.services;
  std::vector<Service> services = services_of(options);
  for (size_t i = 0; i < services.size(); ++i) {
    const auto same = std::find_if(now.current.begin(), now.current.end(), [&](size_t number) {
      return now.services[number]->options.name == services[i].options.name &&
             now.services[number]->is_parent == services[i].is_parent;
    });
    const bool stays = kept[i] && same != now.current.end();
    next->current.push_back(stays ? *same : next->services.size());
    if (!stays) next->services.emplace_back();
  }
  for (size_t i = 0; i < services.size(); ++i) {
    auto& place = next->services[next->current[i]];
    if (services[i].linked_to) services[i].linked_to = next->current[*services[i].linked_to];
    if (place && place->linked_to == services[i].linked_to) continue;
    if (place) services[i].route = place->route;
    place = std::make_shared<Service>(std::move(services[i]));
  }
  put_filters(*next, std::move(filters));
  return next;
}

}  // namespace skep::proxy
