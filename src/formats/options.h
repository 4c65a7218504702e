// The options of both programs: what proxy.yaml and monitor.yaml hold (design section 10 is the contract). Reading is
// one table a section: a row has the key, its type, default, limits and help; from it come the parser, `--effective`,
// the sample file and docs/reference/options.md. An unknown key is an error with file, line and the nearest known one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "formats/filter_options.h"
#include "formats/outgoing.h"
#include "formats/replay_options.h"
#include "formats/service_options.h"
#include "model/engine.h"
#include "model/session.h"

namespace skep::formats {

struct BaitOptions {
  std::string name;
  Endpoint monitor;  // where its skep-monitor listens
};

// What must have happened to bytes before they are passed on.
enum class Durability : uint8_t {
  memory,  // their record lies in the ring: it outlives the proxy, and a loss of power takes the last 10 ms at most
  disk,    // the disk has confirmed it
};

// How long harmless sessions are kept; suspect ones and attacks are kept for ever. 0: no limit.
struct RetentionOptions {
  uint32_t days = 0;
  uint64_t bytes = 0;  // of segments and index
};

struct ProxyOptions {
  std::string archive;
  std::string keys;
  std::string socket;  // local commands; default: ARCHIVE/proxy.sock
  std::string user;  // what the proxy becomes once its ports are open; empty: whoever started it, without capabilities
  std::vector<BaitOptions> baits;
  std::vector<ServiceOptions> services;
  uint16_t source_port_first = 0;  // source_ports: "40000-40031"; 0-0: the kernel chooses
  uint16_t source_port_last = 0;
  // Limits (docs/reference/limits.md). 0: none, where a row of the table allows it.
  uint32_t sessions_max = 24'000;  // a source port each towards one bait: the kernel has 28,232
  uint32_t sessions_per_source_max = 16'000;
  uint32_t accepts_per_second_max = 0;
  uint32_t accepts_per_second_per_source_max = 0;
  uint32_t accept_burst_ms = 2000;  // so long's worth of a rate may come at once
  uint32_t sources_max = 65'536;    // without a live session, whose rate is remembered
  uint32_t source_prefix_v6 = 64;   // bits of an IPv6 address that make a source
  uint32_t connect_timeout_ms = 5000;
  uint32_t sticky_ms = 600'000;          // since its last session a source goes to the same bait of a service
  uint32_t sticky_sources_max = 65'536;  // … of each service; beyond it who was away longest is forgotten
  uint32_t bait_retry_ms = 10'000;       // a bait that refused is left out, where the service has others
  uint32_t idle_timeout_ms = 300'000;
  uint32_t udp_timeout_ms = 30'000;  // without a datagram: the usual end of a session over UDP
  uint32_t udp_sessions_max = 8000;  // … of sessions_max: whoever sends one datagram has one, whatever source it says
  uint32_t life_ms = 86'400'000;
  uint64_t session_bytes_max = uint64_t{16} << 30;  // both directions together
  uint64_t buffers_bytes_max = 64 << 20;            // that all sessions hold of what somebody has not taken
  uint32_t shutdown_grace_ms = 2000;
  uint32_t buffer_bytes = 262'144;  // of one direction of one session: read at once, and held for a bait to come
  uint32_t heartbeat_ms = 1000;
  uint64_t segment_bytes = 64 << 20;
  uint32_t compress_after_s = 60;              // that a finished segment has rested
  RetentionOptions retention;                  // retention: {days: 90, bytes: 500000000000}
  Durability durability = Durability::memory;  // "forward", "forward-after-disk"
  Engine engine = Engine::automatic;
  uint32_t shards = 0;  // threads that relay and record; 0: as many as there are CPUs, at most kShardsByItself
  std::optional<FilterOptions> filter;  // none: nothing is held against rules
  ReplayOptions replay;                 // where `skep replay` may send what was recorded
  log::Options log;
  std::optional<Endpoint> metrics;  // where Prometheus reads; none: nowhere
};

constexpr unsigned kShardsMax = 64;
constexpr unsigned kShardsByItself = 8;  // each has a ring and a segment of its own
unsigned shards_of(const ProxyOptions& options);

struct MonitoredService {
  std::string name;
  std::vector<std::string> command;  // empty where adopted
  std::vector<uint16_t> ports;
  std::string user;
  std::string workdir;
  std::vector<std::string> env;  // "NAME=value"
  std::string output;            // stdout and stderr are appended there; empty: /dev/null
  std::vector<std::string> app_groups;
  std::vector<std::string> intercept;  // further calls to intercept, by name
  uint32_t pid = 0;                    // adopt this process and its descendants
  std::string cgroup;                  // adopt all of this cgroup
  bool address_randomisation = true;
  bool interprets = true;    // it may run what it reads (scripts, pages); false: that is its data, as a database's
  std::string profile;       // file of what it does: what is not in it is first seen; empty: none
  OutgoingOptions outgoing;  // beside its answers; nothing, where it is not said
};

struct AppGroup {
  std::string name;
  std::vector<std::string> programs;  // paths or shell patterns, resolved to inodes when loaded
  std::vector<std::string> parents;   // likewise: what alone may start them; none: any program of the service
};

struct MonitorOptions {
  Endpoint listen;
  std::string keys;
  std::string socket = "/run/skep/monitor.sock";
  std::string user = "nobody";          // what judge becomes
  std::vector<std::string> signatures;  // shell patterns; none given: the built-in set
  bool builtin_signatures = true;       // true exactly where `signatures:` is absent
  bool follow = true;  // labels go over pipes and with files; costs each call of the host a look at its number
  std::vector<MonitoredService> services;
  std::vector<std::string> fence;  // networks that no service sends to, over all that it is allowed
  log::Options log;
  std::vector<AppGroup> app_groups;  // app_groups: [{name: cgi, programs: [/usr/lib/cgi-bin/*]}]
};

// `path` is for the messages only.
Result<ProxyOptions> parse_proxy_options(const std::string& path, const std::string& text);
Result<MonitorOptions> parse_monitor_options(const std::string& path, const std::string& text);
// What `services add FILE` brings: a list as under `services:`, or one such map.
Result<std::vector<MonitoredService>> parse_monitored_services(const std::string& path, const std::string& text);

// The options in force as YAML, defaults included (`--effective`).
std::string effective_yaml(const ProxyOptions& options);
std::string effective_yaml(const MonitorOptions& options);

}  // namespace skep::formats
