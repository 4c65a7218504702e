#include "formats/replay_options.h"

#include <charconv>
#include <cstring>

#include "base/text.h"
#include "formats/outgoing.h"

namespace skep::formats {
namespace {

// "1-65535", or one port.
bool take_ports(std::string_view text, uint16_t& first, uint16_t& last) {
  const auto one = [](std::string_view word, uint16_t& to) {
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), to);
    return error == std::errc() && end == word.data() + word.size() && to != 0;
  };
  const size_t dash = text.find('-');
  if (!one(text.substr(0, dash), first)) return false;
  last = first;
  return dash == std::string_view::npos || (one(text.substr(dash + 1), last) && first <= last);
}

ReplayTargets read_targets(const YAML::Node& node, Complaints& complaints) {
  YamlMap map(node, complaints, "targets");
  ReplayTargets targets;
  map.require("net");
  map.require("owner");
  if (map.text("net", targets.net)) {
    const auto network = network_of(targets.net);
    if (network) {
      targets.network = *network;
    } else {
      map.complain("net", network.error().message);
    }
  }
  std::string ports;
  if (map.text("ports", ports) && !take_ports(ports, targets.first_port, targets.last_port))
    map.complain("ports", fmt::format("wants a port or a range as 1-65535, found '{}'", printable(ports)));
  if (map.text("owner", targets.owner) && trim(targets.owner).empty())
    map.complain("owner", "says who answers for what is sent there, and is empty");
  map.finish();
  return targets;
}

}  // namespace

bool ReplayTargets::contains(const Endpoint& endpoint) const {
  uint64_t address[2];
  std::memcpy(address, endpoint.address.data(), sizeof address);
  return skep_net_holds(&network, address) != 0 && endpoint.port >= first_port && endpoint.port <= last_port;
}

ReplayOptions read_replay(const YAML::Node& node, Complaints& complaints) {
  YamlMap map(node, complaints, "replay");
  ReplayOptions options;
  for (const YAML::Node& each : map.list("targets")) {
    if (options.targets.size() == kReplayTargetsMax) {
      map.complain("targets", fmt::format("more than {} of them", kReplayTargetsMax));
      break;
    }
    options.targets.push_back(read_targets(each, complaints));
  }
  map.number("per_second", options.per_second, 1, 10'000);
  map.finish();
  return options;
}

void emit_replay(YAML::Emitter& out, const ReplayOptions& options) {
  out << YAML::Key << "replay" << YAML::Value << YAML::BeginMap << YAML::Key << "per_second" << YAML::Value
      << options.per_second << YAML::Key << "targets" << YAML::Value << YAML::BeginSeq;
  for (const ReplayTargets& each : options.targets) {
    out << YAML::Flow << YAML::BeginMap << YAML::Key << "net" << YAML::Value << each.net << YAML::Key << "ports"
        << YAML::Value << fmt::format("{}-{}", each.first_port, each.last_port) << YAML::Key << "owner" << YAML::Value
        << each.owner << YAML::EndMap;
  }
  out << YAML::EndSeq << YAML::EndMap;
}

Result<ReplayOptions> parse_replay_options(const std::string& path, const std::string& text) {
  const auto document = parse_yaml(path, text);
  if (!document) return tl::unexpected<Error>(document.error());
  Complaints complaints(path);
  const bool wrapped = document->IsMap() && (*document)["replay"].IsDefined();
  if (wrapped && document->size() > 1)
    complaints.add(*document, "beside `replay:` there is nothing else in such a file");
  ReplayOptions options = read_replay(wrapped ? (*document)["replay"] : *document, complaints);
  if (!complaints.none()) return complaints.failure();
  return options;
}

}  // namespace skep::formats
