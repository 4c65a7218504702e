// A service at work: its options, and what is remembered from one of its sessions to the next. The shard's thread only.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "formats/options.h"
#include "model/signature_table.h"
#include "proxy/route.h"

namespace skep::proxy {

struct Service {
  explicit Service(const formats::ServiceOptions& wanted, const RouteOptions& routing);

  // Whether whoever comes from there may tell by a PROXY header for whom.
  bool trusts(const Endpoint& peer) const;

  formats::ServiceOptions options;
  Route route;                      // among options.baits
  std::vector<size_t> baits;        // of each of options.baits, its number; kUnsupervised
  std::optional<size_t> linked_to;  // the number of the service that it is linked to
  bool is_parent = false;           // others are linked to it
  std::vector<skep_net> balancers;
  static constexpr size_t kUnsupervised = SIZE_MAX;
};

// Of all services, in their order.
std::vector<Service> services_of(const formats::ProxyOptions& options);

}  // namespace skep::proxy
