// One shard: accepts for all services, relays and records its sessions. One thread, which is its own; what it has
// together with other shards is in `common.h`.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "archive/writer.h"
#include "base/clock.h"
#include "base/guarded.h"
#include "io/loop.h"
#include "io/sockets.h"
#include "proxy/any_relay.h"
#include "proxy/common.h"
#include "proxy/counters.h"
#include "proxy/deadlines.h"
#include "proxy/doors.h"
#include "proxy/four_tuples.h"
#include "proxy/header_intake.h"
#include "proxy/picture.h"
#include "proxy/post.h"
#include "proxy/service.h"

namespace skep::proxy {

// What a shard says of itself in every tick.
struct Standing {
  archive::Health health;
  uint64_t sessions_live = 0;
  uint64_t sessions_total = 0;
};

class Shard {
 public:
  static Result<std::unique_ptr<Shard>> make(Common& common, Mailbox& mailbox,
                                             std::shared_ptr<const Settings> settings);
  ~Shard();
  const std::string& why_epoll() const { return loop_.why_epoll(); }

  // Before it starts.
  Status listen(const std::vector<Listening>& all, std::vector<std::pair<size_t, Fd>> fresh);
  // Its thread begins, and has its first turn behind it when this returns. The writer is the shard's alone from here
  // on.
  void start(archive::Writer& writer);

  // Any thread.
  Standing standing() { return *standing_.hold(); }
  int64_t turned_ns() const { return turned_ns_; }  // monotonic: its last turn
  // It was told to stop, its sessions have ended, and its thread touches nothing any more.
  bool over() const { return over_; }
  void join();  // its thread, where it has one, is gone
  // Once it is over: what it is told since is dealt with here.
  void settle();

  // Errands, on its thread (shard_mail.cc).
  using Fresh = std::shared_ptr<std::vector<std::pair<size_t, Fd>>>;
  Status take_settings(std::shared_ptr<const Settings> settings, const std::vector<Listening>& all, const Fresh& fresh);
  // No new session; those that live end by themselves, or then.
  void stop(int64_t deadline_ns);
  bool cut_by_operator(SessionId session);
  // Walks all live sessions.
  void add_to(Picture& picture);

 private:
  struct Listener {
    Fd socket;  // none: it was closed when the options changed
    Listening door;
    bool taking = true;  // new sessions
    // Of datagrams: the socket stays for the sessions that came by it.
    size_t sessions = 0;
    uint32_t lost = 0;    // as it was last told
    bool queued = false;  // in doors_next_ or doors_held_
  };
  // As the options were when the session began.
  struct Times {
    uint32_t connect_ms = 0;
    uint32_t idle_ms = 0;
    uint32_t life_ms = 0;    // 0: no end
    bool quiet_end = false;  // to be idle for idle_ms is its usual end
  };
  // A session. Slots are used again; the generation tells whose event it is.
  struct Slot {
    uint32_t generation = 0;
    SessionId id;
    size_t service = 0;
    AnyRelay relay;  // none: the slot is free
    bool leg_stands = false;
    bool leg_announced = false;
    bool queued = false;  // in next_ or held_
    Endpoint peer;        // the attacker, as it was told where a balancer passed it on
    uint32_t source = 0;  // its number in the limits
    int64_t opened_ns = 0;
    Times times;
    int64_t connecting_ns = 0;  // when the bait was last asked
    uint16_t offset = 0;        // of the port that it came to
    size_t upstream = 0;        // which of the service's baits
    size_t tried = 0;           // … so many of them in vain
    Endpoint to;                // there
    size_t door = 0;            // of datagrams: that which they came to
    bool answered = false;      // … by the bait
    bool elsewhere = false;     // `to` is no bait of the service: diverted, or production
    bool routed = false;        // by a trap
  };

  Shard(Common& common, Mailbox& mailbox, std::shared_ptr<const Settings> settings, io::Loop loop,
        std::unique_ptr<HeaderIntake> headers);
  const formats::ProxyOptions& options() const { return settings_->options; }
  const Service& service(size_t number) const { return *settings_->services[number]; }
  const std::string& service_name(size_t number) const { return service(number).options.name; }

  void run();
  void turn(int wait_ms);
  void say_standing();
  void take_event(const io::Event& event);
  void take_mail();
  void take_word(SessionId session, const formats::NoteEvent& event);
  void take_word(SessionId session, const formats::ServedEvent& event);
  void take_word(SessionId session, const formats::ProcessEvent& event);
  void take_word(SessionId session, const formats::FileEvent& event);
  void take_word(SessionId session, Alert alert);
  Status point_listeners(const std::vector<Listening>& all, std::vector<std::pair<size_t, Fd>>& fresh);
  // True: there may be more.
  bool accept_all(Listener& listener);
  void admit(Arrival arrival);
  std::optional<uint32_t> take_slot(Arrival& arrival);
  RelayOptions relay_options() const;
  void enter(uint32_t index);
  void refuse(const Arrival& arrival, Limit limit);
  void say(Limit limit, SessionId session, const Endpoint& source);
  void met(Limit limit, const Slot& slot);
  uint32_t free_slot();
  bool watch(uint32_t index, Side side);
  bool watch_datagrams(uint32_t index);
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
  // How a connection comes in, and to which bait it goes (shard_intake.cc).
  void came_in(Arrival arrival);
  void take_headers(int64_t now_ns);
  void header_taken(HeaderIntake::Outcome outcome);
  void count_headers();
  SessionId begin(const Arrival& arrival);
  void choose_way(uint32_t index);
  void choose_bait(uint32_t index);
  void go_to_production(Slot& slot);
  void go_to(Slot& slot, size_t upstream);
  Bait* bait_of(const Slot& slot);
  Result<Fd> connect_from_free_port(Slot& slot);
  Result<Fd> connect_from(const Slot& slot, uint16_t port);
  bool try_another(uint32_t index, int error);
  void bait_answered(const Slot& slot);
  void bait_failed(const Slot& slot, int error);
  // What is held against rules and lists of sources, and what becomes of it (shard_filter.cc).
  SourceLists::Found listed(const Arrival& arrival) const;
  void turn_away(const Arrival& arrival, size_t list);
  void record_hit(SessionId id, const std::string& service, const RuleHit& hit);
  std::unique_ptr<SessionFilter> filter_of(const Arrival& arrival, bool allowed);
  void follow_filter(uint32_t index, Relay& relay);
  void take_diversions();
  void divert(uint32_t index, Relay& relay);
  void route(uint32_t index, Relay& relay);
  void switch_source(const Slot& slot, const RuleHit& hit);
  // How datagrams come in, and whose they are (shard_datagrams.cc).
  void take_datagrams(size_t door);
  void datagrams_lost(Listener& listener, uint32_t lost);
  void take_queued_datagrams();
  void datagram_came(size_t door, const io::Received& received, ByteView bytes);
  void open_datagrams(size_t door, const io::Received& received, ByteView bytes);
  void refuse_datagram(Arrival& arrival, Limit limit);
  void datagrams_stand(uint32_t index);
  void follow_bait(Slot& slot);
  void datagrams_closed(const Slot& slot);
  void close_if_idle(Listener& listener);

  Common& common_;
  Mailbox& mailbox_;
  std::shared_ptr<const Settings> settings_;  // replaced whole, between two events
  io::Loop loop_;
  std::unique_ptr<HeaderIntake> headers_;
  size_t headers_counted_ = 0;  // in common_
  archive::Writer* writer_ = nullptr;
  std::vector<Listener> listeners_;  // by the door's number
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  std::map<uint64_t, uint32_t> live_;  // session to slot
  Deadlines deadlines_;                // of slots; a session's real one may be later by now
  std::vector<uint32_t> waiting_for_port_;
  std::vector<uint32_t> diversions_;  // go to another address than their bait's
  payload::Scratch scratch_;
  std::vector<uint32_t> next_;  // have more to move
  std::vector<uint32_t> held_;  // wait for the disk
  FourTuples four_tuples_;
  std::vector<size_t> doors_next_;  // have more datagrams
  std::vector<size_t> doors_held_;  // wait for the disk
  int64_t refused_fresh_ns_ = 0;
  uint64_t refused_unsaid_ = 0;  // datagrams, since the last record of one
  Fd reserve_;                   // closed to let one more connection in, when descriptors have run out
  Counters counters_;
  bool stopping_ = false;
  int64_t stop_deadline_ns_ = 0;
  int64_t last_tick_ns_ = 0;
  int64_t last_index_ns_ = 0;
  const int64_t started_ns_ = now_realtime_ns();
  Guarded<Standing> standing_;
  std::atomic<int64_t> turned_ns_{0};
  std::atomic<bool> over_{false};
  std::thread thread_;
};

}  // namespace skep::proxy
