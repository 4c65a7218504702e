// `replay:` of proxy.yaml, and a file of the same form: to which systems recorded attacks may be sent again.
// docs/reference/replay.md has each key.
#pragma once

#include <string>
#include <vector>

#include "formats/yaml.h"
#include "model/outgoing.h"
#include "model/session.h"

namespace skep::formats {

// A network whose owner answers for what is sent there.
struct ReplayTargets {
  std::string net;  // as it is written
  skep_net network{};
  uint16_t first_port = 1;
  uint16_t last_port = 65535;
  std::string owner;
  bool contains(const Endpoint& endpoint) const;
};

struct ReplayOptions {
  std::vector<ReplayTargets> targets;
  uint32_t per_second = 10;  // attempts at one target
};

constexpr size_t kReplayTargetsMax = 4096;

ReplayOptions read_replay(const YAML::Node& node, Complaints& complaints);
void emit_replay(YAML::Emitter& out, const ReplayOptions& options);
// A file that has what stands under `replay:`, or the key itself. `path` is for the messages only.
Result<ReplayOptions> parse_replay_options(const std::string& path, const std::string& text);

}  // namespace skep::formats
