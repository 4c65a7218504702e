// Whether one more session may begin, and what became of those that might not: each limit by its name, with its count.
// docs/reference/limits.md is the table. Pure: time is passed in; one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "formats/options.h"
#include "proxy/sources.h"

namespace skep::proxy {

enum class Limit : uint8_t {
  // At these a new connection is turned away.
  sessions_max,
  sessions_per_source_max,
  accepts_per_second_max,
  accepts_per_second_per_source_max,
  descriptors,  // no option: what the system lets us have
  udp_sessions_max,
  // At these a session ends.
  session_bytes_max,
  idle_timeout_ms,
  life_ms,
  // At this one sessions go on in small steps.
  buffers_bytes_max,
  // At this one datagrams of a session are dropped.
  datagram_buffers,  // no option: what sockets hold, and buffer_bytes
};
constexpr size_t kLimits = static_cast<size_t>(Limit::datagram_buffers) + 1;
std::string_view to_string(Limit limit);  // the option's name, where there is one

// Of a limit's lines in the log: the first at once, then at most one a second, which says how many it stands for.
class LogPace {
 public:
  // How many came since the last line, this one included; nullopt: not now.
  std::optional<uint64_t> line(int64_t now_ns);

 private:
  int64_t next_ns_ = 0;
  uint64_t silent_ = 0;
};

class Limits {
 public:
  static constexpr uint64_t kOwnDescriptors = 128;  // listeners, segments, index, control links …
  // What `sessions` sessions want, ours included.
  static constexpr uint64_t descriptors_for(uint64_t sessions) { return 2 * sessions + kOwnDescriptors; }

  // `descriptors`: that the process may have.
  Limits(const formats::ProxyOptions& options, uint64_t descriptors, uint64_t seed);

  // The options have changed: those that come from now on are held to them.
  void take_options(const formats::ProxyOptions& options);

  // A session from there may begin, and counts as live until `ended` with its number is told; or the limit it has met.
  struct Admission {
    std::optional<Limit> refused;
    uint32_t source = 0;
  };
  Admission admit(const Endpoint& from, int64_t now_ns, Protocol protocol = Protocol::tcp);
  void ended(uint32_t source, int64_t now_ns, Protocol protocol = Protocol::tcp);

  // A limit was met, by a session or a connection: for how many of them a line of the log stands, where one is due.
  std::optional<uint64_t> log_line(Limit limit, int64_t now_ns);

  size_t live() const { return live_; }
  // With so many more that are about to begin.
  bool full(size_t waiting) const { return live_ + waiting >= sessions_max_; }
  size_t sessions_max() const { return sessions_max_; }  // what descriptors allow, where that is less than the option
  bool short_of_descriptors() const { return sessions_max_ < options_.sessions_max; }
  const Sources& sources() const { return sources_; }

 private:
  std::optional<Limit> refusal(Sources::Source& source, int64_t now_ns, Protocol protocol);

  formats::ProxyOptions options_;
  const uint64_t descriptors_;
  size_t sessions_max_;
  Rate rate_;
  Rate source_rate_;
  int64_t fresh_at_ns_ = 0;
  Sources sources_;
  size_t live_ = 0;
  size_t live_udp_ = 0;  // of these
  LogPace paces_[kLimits];
};

}  // namespace skep::proxy
