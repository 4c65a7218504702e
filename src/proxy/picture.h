// A picture of the proxy at one moment: what `skep status`, the metrics and the log's lines on degraded states are made
// of. Values only, so that another thread may have it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "archive/writer.h"
#include "proxy/counters.h"
#include "proxy/filters.h"
#include "view/tagged_logs.h"

namespace skep::proxy {

struct BaitPicture {
  std::string name;
  bool connected = false;
  uint64_t live_sessions = 0;
  uint64_t events_lost = 0;  // records and messages of its monitor that did not come
  std::string json;          // all that the bait says of itself
};

// One of several baits of a service.
struct UpstreamPicture {
  std::string service;
  std::string bait;  // empty: unsupervised
  std::string address;
  bool left_out = false;  // it refused when it was last asked
  uint64_t failures = 0;
};

// What tells whether all is whole: cheap to look at in every turn.
struct Wholeness {
  archive::Health health;
  bool out_of_descriptors = false;
  bool monitor_away = false;
};

struct Picture {
  int64_t started_ns = 0;  // realtime
  int64_t uptime_ns = 0;
  std::string archive;
  Counters counters;  // live sessions' bytes included
  FilterFigures filter;
  bool filtering = false;  // `filter:` is there
  uint64_t tarpitted = 0;  // now
  uint64_t switched = 0;   // sources
  uint64_t switched_turned_down = 0;
  Wholeness whole;
  uint64_t ring_bytes = 0;
  uint64_t ring_bytes_used = 0;
  uint64_t waiting_for_port = 0;
  view::TaggedLogs::Counters tagged_logs;
  uint64_t descriptors_of_sessions = 0;
  uint64_t descriptors_max = 0;
  uint64_t sessions_allowed = 0;  // what descriptors allow, where that is less than sessions_max
  uint64_t buffers_bytes = 0;
  uint64_t sources_known = 0;
  uint64_t sources_forgotten_early = 0;
  std::vector<BaitPicture> baits;
  std::vector<UpstreamPicture> upstreams;  // of services that have several
  uint64_t waiting_for_header = 0;         // connections of balancers
  uint64_t shards = 0;

  // What another shard has told of itself.
  void add(const Picture& shard);
  uint64_t sessions_live() const;
};

// The names of design section 10, of the states that hold.
std::vector<std::string_view> degraded_states(const Wholeness& whole);
inline constexpr std::string_view kDegradedStates[] = {"disk-full",   "tagged-only",  "metadata-only",
                                                       "descriptors", "monitor-away", "ring-behind"};
// One JSON object, the answer to `skep status --json`.
std::string status_json(const Picture& picture);

}  // namespace skep::proxy
