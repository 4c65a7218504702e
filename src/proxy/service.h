// A service at work: its options, and what is remembered from one of its sessions to the next. It changes no more once
// it stands, but for its route, which all shards ask.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/guarded.h"
#include "formats/options.h"
#include "model/signature_table.h"
#include "proxy/filters.h"
#include "proxy/route.h"

namespace skep::proxy {

struct Service {
  explicit Service(const formats::ServiceOptions& wanted, const RouteOptions& routing);

  // Whether whoever comes from there may tell by a PROXY header for whom.
  bool trusts(const Endpoint& peer) const;

  formats::ServiceOptions options;
  std::shared_ptr<Guarded<Route>> route;  // among options.baits
  std::vector<size_t> baits;              // of each of options.baits, its number; kUnsupervised
  std::optional<size_t> linked_to;        // the number of the service that it is linked to
  bool is_parent = false;                 // others are linked to it
  std::vector<skep_net> balancers;
  static constexpr size_t kUnsupervised = SIZE_MAX;
};

// Of all services, in their order.
std::vector<Service> services_of(const formats::ProxyOptions& options);

// What holds for sessions that begin now: made anew when the options are read again, and never changed, so that every
// shard has it without a lock.
struct Settings {
  formats::ProxyOptions options;
  // Also those of former options, for the sessions that began with them: a service keeps its number.
  std::vector<std::shared_ptr<const Service>> services;
  std::vector<size_t> current;  // of each of options.services, its number
  // What a session that begins now is held against, by the service's number; nullptr: nothing.
  std::vector<std::shared_ptr<const FilterPlan>> plans;
  std::shared_ptr<const SourceLists> sources;  // nullptr: there are none
  FilterFigures filter_figures;
};
std::shared_ptr<const Settings> first_settings(const formats::ProxyOptions& options, Filters filters = {});
// A service that stands as it was (`kept`) keeps its number, and what it remembers; any other gets a new one.
std::shared_ptr<const Settings> next_settings(const Settings& now, const formats::ProxyOptions& options,
                                              const std::vector<bool>& kept, Filters filters = {});

}  // namespace skep::proxy
