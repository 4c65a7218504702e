// One bait: its control link, whose sessions live there, which ports name them. The shards tell it of their sessions'
// legs; what its monitor says comes on the link's thread, and goes by the post to the session's shard. Any thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "archive/evidence_store.h"
#include "base/guarded.h"
#include "formats/options.h"
#include "formats/segment.h"
#include "proxy/control_link.h"
#include "proxy/file_intake.h"
#include "proxy/guests.h"
#include "proxy/join.h"
#include "proxy/picture.h"
#include "proxy/ports.h"
#include "proxy/post.h"

namespace skep::proxy {

struct LiveLeg {
  Tuple tuple;
  std::string service;
  bool joined = true;  // false: its port may still mean an earlier session, so that nothing may be said of it
};

// What holds for all baits.
struct BaitSettings {
  uint16_t first_port = 0;  // 0-0: the kernel chooses
  uint16_t last_port = 0;
  int64_t heartbeat_ns = 0;
};

class Bait {
 public:
  Bait(formats::BaitOptions options, const BaitSettings& settings, wire::TlsContext tls, Post& post,
       archive::EvidenceStore& evidence, Guarded<Guests>& guests);
  ~Bait();
  Bait(const Bait&) = delete;
  Bait& operator=(const Bait&) = delete;
  // From here on the monitor is dialled.
  void start();

  const std::string& name() const { return options_.name; }
  bool supervised() const;

  // Source ports for legs. One that has been taken is the session's until its leg is closed, or it is given back.
  bool chooses_ports() const { return ports_.chosen_here(); }
  std::optional<uint16_t> take_free_port();
  bool take_port(uint16_t port);  // that the kernel has chosen; false: it may still mean a former session
  void give_port_back(uint16_t port);

  // The session's leg has its source port. Announced at once; what is to be noted in the session's log.
  std::optional<formats::NoteEvent> leg_opened(SessionId session, const LiveLeg& leg);
  void leg_closed(SessionId session, bool connected);
  // A session of a proxy that was killed: over, but what the honeypot host may still say of it finds it.
  void leg_recovered(SessionId session, const Tuple& tuple);
  // A connection of a guest is about to be made; what comes of it is told to the guests. Error: it could not be told
  // from others' (code EADDRINUSE: another source port will do), or the monitor is away. It is over by leg_closed.
  Status guest_announced(SessionId guest, const LiveLeg& leg);

  BaitPicture picture() const;

 private:
  void turn(const std::vector<wire::ControlEvent>& events, int64_t now_ns);
  void tell(SessionId session, decltype(Word::what) what);
  void note(SessionId session, formats::NoteKind kind, std::string words);
  void heartbeat(int64_t now_ns);
  std::string status_json() const;
  void take_frame(const wire::Frame& frame, int64_t now_ns);
  void take_flow(const wire::FlowOpened& opened, int64_t now_ns);
  void take_served(const wire::FlowServed& served);
  void take_process(const wire::ProcessEvent& event);
  void take_alert(const wire::Alert& alert, int64_t now_ns);
  bool known_already(const wire::Alert& alert);
  void take_pong(const wire::Pong& pong, int64_t now_ns);
  void greet();
  void welcomed();
  void gone(const std::string& why);
  void forget_ended();
  void announce(SessionId session, const LiveLeg& leg);
  size_t live_sessions() const { return live_.size() - live_guests_; }
  struct Rate {
    int64_t since_ns = 0;
    uint64_t claims = 0;
  };
  void take_lost(const wire::RecordsLost& lost);
  bool within_rate(Rate& rate, uint64_t serial, int64_t now_ns);
  void deliver(const std::vector<Join::Delivered>& delivered);

  const formats::BaitOptions options_;
  const BaitSettings settings_;
  Post& post_;
  Guarded<Guests>& guests_;
  ControlLink link_;
  mutable std::mutex mutex_;  // over all that follows
  SourcePorts ports_;
  Join join_;
  FileIntake files_;
  std::unordered_map<uint64_t, LiveLeg> live_;
  size_t live_guests_ = 0;                             // of them
  std::unordered_map<uint64_t, Tuple> ended_unbound_;  // their ports are held back
  bool connected_ = false;
  uint64_t pings_ = 0;
  uint64_t alerts_taken_ = 0;  // of this connection; files too
  // So many of them were taken at that moment; once it has passed they are recorded, and the monitor may forget them.
  uint64_t alerts_marked_ = 0;
  Post::Mark mark_;
  uint64_t alerts_recorded_ = 0;
  int64_t last_heartbeat_ns_ = 0;
  std::set<std::pair<uint64_t, uint32_t>> alerts_known_;  // id and pid
  std::deque<std::pair<uint64_t, uint32_t>> alerts_order_;
  int64_t last_heard_ns_ = 0;
  uint64_t monitor_lost_ = 0;
  uint64_t last_loss_ = 0;
  uint64_t claims_malformed_ = 0;
  uint64_t claims_over_rate_ = 0;
  uint64_t words_refused_ = 0;  // by a full mailbox
  Rate process_rate_;
  Rate alert_rate_;
  Rate file_rate_;
};

}  // namespace skep::proxy
