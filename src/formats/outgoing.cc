#include "formats/outgoing.h"

#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "model/session.h"

namespace skep::formats {
namespace {

constexpr std::string_view kKinds[] = {"tcp", "udp", "icmp", "other"};  // by skep_outgoing_kind

struct Period {
  char unit;
  uint32_t seconds;
};
constexpr Period kPeriods[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}};

// ICMP of both kinds: the network says which.
std::vector<uint16_t> protocols_of(const std::string& name) {
  if (name == "tcp") return {IPPROTO_TCP};
  if (name == "udp") return {IPPROTO_UDP};
  if (name == "icmp") return {IPPROTO_ICMP, IPPROTO_ICMPV6};
  return {0};
}

std::string limit_text(const skep_outgoing_limit& limit) {
  for (const Period& period : kPeriods) {
    if (limit.period_s == period.seconds) return fmt::format("{}/{}", limit.count, period.unit);
  }
  return {};
}

void read_ports(YamlMap& map, AllowedPeer& peer) {
  std::vector<std::string> texts;
  map.texts("ports", texts);
  for (const std::string& text : texts) {
    uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0) {
      map.complain("ports", fmt::format("'{}' is no port", text));
    } else {
      peer.ports.push_back(port);
    }
  }
}

AllowedPeer read_peer(const YAML::Node& node, Complaints& complaints) {
  YamlMap map(node, complaints, "an allowed peer");
  AllowedPeer peer;
  map.require("net");
  if (map.text("net", peer.net)) {
    if (const auto net = network_of(peer.net); !net) map.complain("net", net.error().message);
  }
  read_ports(map, peer);
  if (map.text("proto", peer.protocol) && protocols_of(peer.protocol)[0] == 0)
    map.complain("proto", fmt::format("wants tcp, udp or icmp, found '{}'", peer.protocol));
  if (peer.protocol == "icmp" && !peer.ports.empty()) map.complain("ports", "ICMP has none");
  map.finish();
  return peer;
}

Status add_peer(const AllowedPeer& peer, skep_outgoing& rules) {
  const auto net = network_of(peer.net);
  if (!net) return tl::unexpected<Error>(net.error());
  const std::vector<uint16_t> ports = peer.ports.empty() ? std::vector<uint16_t>{0} : peer.ports;
  for (const uint16_t protocol : protocols_of(peer.protocol)) {
    for (const uint16_t port : ports) {
      if (rules.peer_count == SKEP_PEERS_MAX)
        return fail("more than {} allowed peers, one for each port of each", int{SKEP_PEERS_MAX});
      rules.peers[rules.peer_count++] = {*net, port, protocol, 0};
    }
  }
  return {};
}

}  // namespace

Result<skep_net> network_of(const std::string& text) {
  const size_t slash = text.find('/');
  const auto endpoint =
      parse_endpoint(text.find(':') == std::string::npos ? text.substr(0, slash) : "[" + text.substr(0, slash) + "]");
  if (!endpoint || endpoint->port != 0) return fail("'{}' is no address or network", text);
  const unsigned whole = endpoint->is_v4() ? 32 : 128;
  unsigned bits = whole;
  if (slash != std::string::npos) {
    const auto [end, error] = std::from_chars(text.data() + slash + 1, text.data() + text.size(), bits);
    if (error != std::errc{} || end != text.data() + text.size() || bits > whole)
      return fail("'{}' is no network", text);
  }
  bits += 128 - whole;
  uint8_t mask[16] = {};
  uint8_t address[16];
  for (unsigned i = 0; i < 128; ++i) {
    if (i < bits) mask[i / 8] = static_cast<uint8_t>(mask[i / 8] | 0x80u >> (i % 8));
  }
  for (unsigned i = 0; i < 16; ++i) address[i] = endpoint->address[i] & mask[i];
  skep_net net{};
  std::memcpy(net.address, address, sizeof address);
  std::memcpy(net.mask, mask, sizeof mask);
  return net;
}

Result<skep_outgoing_limit> limit_of(const std::string& text) {
  skep_outgoing_limit limit{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit.count);
  const std::string_view rest(end, static_cast<size_t>(text.data() + text.size() - end));
  const auto* const period = std::find_if(std::begin(kPeriods), std::end(kPeriods), [&](const Period& each) {
    return rest.size() == 2 && rest[0] == '/' && rest[1] == each.unit;
  });
  if (error != std::errc{} || period == std::end(kPeriods))
    return fail("'{}' is no limit: a number, and of what time (20/h; s, m, h, d)", text);
  if (limit.count > SKEP_LET_GO_MAX) return fail("'{}': {} are the most", text, int{SKEP_LET_GO_MAX});
  limit.period_s = period->seconds;
  return limit;
}

OutgoingOptions read_outgoing(const YAML::Node& node, Complaints& complaints) {
  OutgoingOptions options;
  YamlMap map(node, complaints, "outgoing");
  for (const YAML::Node& peer : map.list("allow")) options.allow.push_back(read_peer(peer, complaints));
  if (const YAML::Node limits = map.node("limits"); limits.IsDefined()) {
    YamlMap kinds(limits, complaints, "limits");
    for (size_t kind = 0; kind < std::size(kKinds); ++kind) {
      std::string text;
      if (!kinds.text(kKinds[kind], text)) continue;
      if (const auto limit = limit_of(text)) {
        options.limits[kind] = *limit;
      } else {
        kinds.complain(kKinds[kind], limit.error().message);
      }
    }
    kinds.finish();
  }
  map.finish();
  if (const auto rules = outgoing_rules(options, {}); complaints.none() && !rules)
    map.complain("allow", rules.error().message);
  return options;
}

void emit_outgoing(YAML::Emitter& out, const OutgoingOptions& options) {
  out << YAML::BeginMap << YAML::Key << "allow" << YAML::Value << YAML::BeginSeq;
  for (const AllowedPeer& peer : options.allow) {
    out << YAML::Flow << YAML::BeginMap << YAML::Key << "net" << YAML::Value << peer.net;
    if (!peer.ports.empty())
      out << YAML::Key << "ports" << YAML::Value << std::vector<int>(peer.ports.begin(), peer.ports.end());
    if (!peer.protocol.empty()) out << YAML::Key << "proto" << YAML::Value << peer.protocol;
    out << YAML::EndMap;
  }
  out << YAML::EndSeq << YAML::Key << "limits" << YAML::Value << YAML::Flow << YAML::BeginMap;
  for (size_t kind = 0; kind < std::size(kKinds); ++kind) {
    if (options.limits[kind].count > 0)
      out << YAML::Key << std::string(kKinds[kind]) << YAML::Value << limit_text(options.limits[kind]);
  }
  out << YAML::EndMap << YAML::EndMap;
}

Result<skep_outgoing> outgoing_rules(const OutgoingOptions& options, const std::vector<std::string>& fence) {
  skep_outgoing rules{};
  for (const AllowedPeer& peer : options.allow) {
    if (auto added = add_peer(peer, rules); !added) return tl::unexpected<Error>(added.error());
  }
  std::copy(std::begin(options.limits), std::end(options.limits), rules.limits);
  if (fence.size() > SKEP_FENCES_MAX) return fail("more than {} fences", int{SKEP_FENCES_MAX});
  for (const std::string& text : fence) {
    const auto net = network_of(text);
    if (!net) return tl::unexpected<Error>(net.error());
    rules.fences[rules.fence_count++] = *net;
  }
  return rules;
}

}  // namespace skep::formats
