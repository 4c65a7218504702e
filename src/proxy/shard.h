// One shard: accepts for all services, relays and records their sessions. One thread; the control links have theirs.
#pragma once

#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "archive/archive.h"
#include "base/clock.h"
#include "base/systemd.h"
#include "formats/options.h"
#include "io/loop.h"
#include "io/sockets.h"
#include "proxy/bait.h"
#include "proxy/buffers.h"
#include "proxy/counters.h"
#include "proxy/deadlines.h"
#include "proxy/degraded.h"
#include "proxy/header_intake.h"
#include "proxy/kin.h"
#include "proxy/limits.h"
#include "proxy/metrics_server.h"
#include "proxy/picture.h"
#include "proxy/relay.h"
#include "proxy/service.h"
#include "view/tagged_logs.h"
#include "wire/local.h"

namespace skep::proxy {

class Shard {
 public:
  // Opens the archive, listens for every service, begins to dial the monitors.
  // `reread` gives the options anew, for whoever wants them changed while it runs.
  using Reread = std::function<Result<formats::ProxyOptions>()>;
  static Result<std::unique_ptr<Shard>> start(const formats::ProxyOptions& options, Reread reread);
  // Until SIGTERM or SIGINT; live sessions then get shutdown_grace_ms, or the time to a second such signal. SIGHUP: the
  // options are read again.
  void run();

 private:
  struct Listener {
    Fd socket;  // none: it was closed when the options changed
    size_t service;
    uint16_t offset;  // of its port in the range
  };
  // As the options were when the session began.
  struct Times {
    uint32_t connect_ms = 0;
    uint32_t idle_ms = 0;
    uint32_t life_ms = 0;  // 0: no end
  };
  // A session. Slots are used again; the generation tells whose event it is.
  struct Slot {
    uint32_t generation = 0;
    SessionId id;
    size_t service = 0;
    std::unique_ptr<Relay> relay;  // none: the slot is free
    bool leg_stands = false;
    bool leg_announced = false;
    bool queued = false;  // in next_ or held_
    Endpoint peer;        // the attacker, as it was told where a balancer passed it on
    uint32_t source = 0;  // its number in limits_
    int64_t opened_ns = 0;
    Times times;
    int64_t connecting_ns = 0;  // when the bait was last asked
    uint16_t offset = 0;        // of the port that it came to
    size_t upstream = 0;        // which of the service's baits
    size_t tried = 0;           // … so many of them in vain
    Endpoint to;                // there
  };

  Shard(const formats::ProxyOptions& options, io::Loop loop, uint64_t descriptors);
  Status listen();
  Status start_baits(std::vector<wire::TlsContext> keys);
  void recall();
  Status start_commands();

  void take_event(const io::Event& event);
  void take_signal();
  // True: there may be more.
  bool accept_all(Listener& listener);
  void admit(Arrival arrival);
  void refuse(const Arrival& arrival, Limit limit);
  void say(Limit limit, SessionId session, const Endpoint& source);
  void met(Limit limit, const Slot& slot);
  uint32_t free_slot();
  bool watch(uint32_t index, Side side);
  void connect(uint32_t index);
  void leg_chosen(uint32_t index, Fd socket);
  void leg_failed(uint32_t index, int error);
  void leg_ready(uint32_t index, const io::Event& event);
  void move(uint32_t index);
  void move_queued();
  void close(uint32_t index);
  void end(uint32_t index, EndReason reason);
  void tick(int64_t now_ns);
  void end_overdue(int64_t now_ns);
  int64_t deadline_of(const Slot& slot) const;
  void end_at_deadline(uint32_t index, int64_t now_ns);
  void end_all(EndReason reason);
  void alert(SessionId session, Alert alert);

  wire::LocalReply command(const wire::LocalRequest& request);
  // How a connection comes in, and to which bait it goes (shard_intake.cc).
  void came_in(Arrival arrival);
  void take_headers(int64_t now_ns);
  void header_taken(HeaderIntake::Outcome outcome);
  SessionId begin(const Arrival& arrival);
  void choose_bait(uint32_t index);
  void go_to(Slot& slot, size_t upstream);
  Bait* bait_of(const Slot& slot);
  Result<Fd> connect_from_free_port(Slot& slot);
  bool try_another(uint32_t index, int error);
  void bait_answered(const Slot& slot);
  // The options anew (shard_reload.cc).
  struct Listening {
    size_t listener;
    size_t service;  // its place in the options
    uint16_t offset;
  };
  static constexpr size_t kNoService = SIZE_MAX;
  Status watch_listener(int socket, size_t index);
  Result<std::string> reload();
  Result<std::string> take_options();
  Result<std::vector<Listening>> open_listeners(const std::vector<Service>& services);
  Result<size_t> listener_at(const Endpoint& where, bool transparent);
  void put_in_force(formats::ProxyOptions next, std::vector<Service> services, const std::vector<bool>& kept);
  void point_listeners(const std::vector<Listening>& wanted);
  // How it stands (shard_picture.cc).
  Wholeness wholeness() const;
  Picture picture() const;
  void say_degraded(int64_t now_ns);
  void tell_watchers(int64_t now_ns);

  formats::ProxyOptions options_;  // replaced whole, between two events
  Reread reread_;
  bool source_kept_from_start_ = false;
  std::vector<Service> services_;  // also those of former options, for the sessions that began with them
  std::vector<size_t> current_;    // of each of options_.services, its number there
  Kin kin_;
  std::unique_ptr<HeaderIntake> headers_;
  io::Loop loop_;
  Limits limits_;
  Buffers buffers_;
  view::TaggedLogs tagged_{options_.archive};  // told by the writer, to its end
  std::unique_ptr<archive::Archive> archive_;
  archive::Writer* writer_ = nullptr;  // the archive's
  std::vector<Listener> listeners_;
  std::vector<std::unique_ptr<Bait>> baits_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  std::map<uint64_t, uint32_t> live_;  // session to slot
  Deadlines deadlines_;                // of slots; a session's real one may be later by now
  std::vector<uint32_t> waiting_for_port_;
  std::vector<uint32_t> next_;  // have more to move
  std::vector<uint32_t> held_;  // wait for the disk
  std::unique_ptr<wire::LocalServer> commands_;
  Fd signals_;
  Fd reserve_;  // closed to let one more connection in, when descriptors have run out
  bool stopping_ = false;
  int64_t stop_deadline_ns_ = 0;
  int64_t last_tick_ns_ = 0;
  int64_t last_heartbeat_ns_ = 0;
  int64_t last_index_ns_ = 0;
  Counters counters_;
  Degraded degraded_;
  Systemd systemd_ = Systemd::from_environment();
  std::unique_ptr<MetricsServer> metrics_;
  int64_t last_told_ns_ = 0;
  const int64_t started_ns_ = now_realtime_ns();
  const int64_t started_monotonic_ns_ = now_monotonic_ns();
  const uint64_t descriptors_max_;
  bool out_of_descriptors_ = false;
  int64_t descriptors_lacked_ns_ = 0;
};

}  // namespace skep::proxy
