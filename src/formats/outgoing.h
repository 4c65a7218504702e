// What a service may send beside its answers: `outgoing:` of a service and the monitor's `fence:`, as they are written
// and as the kernel holds them (model/outgoing.h).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "formats/yaml.h"
#include "model/outgoing.h"

namespace skep::formats {

// "10.0.0.0/8", "fd00::/8", or an address alone.
Result<skep_net> network_of(const std::string& text);

struct AllowedPeer {
  std::string net;
  std::vector<uint16_t> ports;  // none: any
  std::string protocol;         // tcp, udp, icmp; empty: any
};

struct OutgoingOptions {
  std::vector<AllowedPeer> allow;
  skep_outgoing_limit limits[SKEP_OUT_KINDS] = {};  // by skep_outgoing_kind
};

// "20/h": s, m, h or d.
Result<skep_outgoing_limit> limit_of(const std::string& text);

OutgoingOptions read_outgoing(const YAML::Node& node, Complaints& complaints);
void emit_outgoing(YAML::Emitter& out, const OutgoingOptions& options);
// Errors: a network that is none, more peers or fences than the kernel's tables hold.
Result<skep_outgoing> outgoing_rules(const OutgoingOptions& options, const std::vector<std::string>& fence);

}  // namespace skep::formats
