// The proxy: its shards, and what there is once beside them: the archive, the baits, commands and signals, the options
// when they are read again, whoever watches. Its thread touches no session: it asks the shards.
#pragma once

#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "archive/archive.h"
#include "base/clock.h"
#include "base/systemd.h"
#include "formats/options.h"
#include "io/loop.h"
#include "proxy/common.h"
#include "proxy/degraded.h"
#include "proxy/doors.h"
#include "proxy/metrics_server.h"
#include "proxy/picture.h"
#include "proxy/post.h"
#include "proxy/shard.h"
#include "view/tagged_logs.h"
#include "wire/local.h"

namespace skep::proxy {

class Proxy {
 public:
  // Opens the archive, listens for every service, begins to dial the monitors.
  // `reread` gives the options anew, for whoever wants them changed while it runs.
  using Reread = std::function<Result<formats::ProxyOptions>()>;
  static Result<std::unique_ptr<Proxy>> start(const formats::ProxyOptions& options, Reread reread);
  ~Proxy();
  // Until SIGTERM or SIGINT; live sessions then get shutdown_grace_ms, or the time to a second such signal. SIGHUP: the
  // options are read again.
  void run();

 private:
  Proxy(std::shared_ptr<const Settings> settings, uint64_t descriptors, unsigned shards, io::Loop loop);
  Status listen();
  Status open_archive();
  Status start_baits(std::vector<wire::TlsContext> keys);
  void recall();
  Status start_commands();
  bool over() const;
  void take_signal();
  void stop();
  void stop_shards(int64_t deadline_ns);
  wire::LocalReply command(const wire::LocalRequest& request);
  wire::LocalReply cut(const std::string& session);
  wire::LocalReply filter(const wire::FilterRequest& request);
  // Has it done on the shard's thread. False: it is stuck; what it does later, if it does, must not need the caller.
  bool ask(size_t shard, Errand errand);

  // The options anew (proxy_reload.cc).
  Result<std::string> reload();
  Result<std::string> take_options();
  Status put_in_force(std::shared_ptr<const Settings> next, Doors::Opened opened);

  // Connections to baits that are no sessions, and of which somebody here wants to know (proxy_guests.cc).
  wire::LocalReply watch(const wire::WatchRequest& request);
  Status announce_guest(const wire::WatchRequest& request, wire::WatchReply& reply);
  struct Place {
    size_t bait = 0;
    std::string service;  // empty: none of the options'
  };
  Result<Place> place_of(const Endpoint& target) const;
  void guest_over(SessionId guest);
  void forget_guests(int64_t now_ns);

  // How it stands (proxy_picture.cc).
  struct Summary {
    Wholeness whole;
    uint64_t sessions_live = 0;
    uint64_t sessions_total = 0;
    int64_t turned_ns = 0;  // the last turn of the shard that is behind the others
  };
  Summary summary();
  Picture picture();
  void say_degraded(const Wholeness& whole, int64_t now_ns);
  void tell_watchers(int64_t now_ns);

  const uint64_t descriptors_max_;
  std::shared_ptr<const Settings> settings_;
  Reread reread_;
  bool source_kept_from_start_ = false;
  io::Loop loop_;
  view::TaggedLogs tagged_;  // told by the archive, to its end
  std::unique_ptr<archive::Archive> archive_;
  Post post_;
  Common common_;
  Doors doors_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<wire::LocalServer> commands_;
  Fd signals_;
  bool stopping_ = false;
  Degraded degraded_;
  Systemd systemd_ = Systemd::from_environment();
  std::unique_ptr<MetricsServer> metrics_;
  int64_t last_told_ns_ = 0;
  const int64_t started_ns_ = now_realtime_ns();
  const int64_t started_monotonic_ns_ = now_monotonic_ns();
};

}  // namespace skep::proxy
