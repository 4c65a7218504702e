// One bait as the shard sees it: its control link, whose sessions live there, which ports name them. The shard's thread
// only.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "archive/writer.h"
#include "formats/options.h"
#include "proxy/control_link.h"
#include "proxy/file_intake.h"
#include "proxy/join.h"
#include "proxy/picture.h"
#include "proxy/ports.h"

namespace skep::proxy {

struct LiveLeg {
  Tuple tuple;
  std::string service;
  bool joined = true;  // false: its port may still mean an earlier session, so that nothing may be said of it
};

class Bait {
 public:
  // `on_alert(session, alert)` is called for an alert that has found its session; it records it.
  using OnAlert = std::function<void(SessionId, const Alert&)>;
  Bait(formats::BaitOptions options, uint16_t first_port, uint16_t last_port, std::unique_ptr<ControlLink> link,
       archive::Writer& writer, OnAlert on_alert);

  const std::string& name() const { return options_.name; }
  SourcePorts& ports() { return ports_; }
  bool supervised() const { return connected_; }
  int wake_fd() const { return link_->wake_fd(); }

  // The session's leg has its source port. Announced at once.
  void leg_opened(SessionId session, const LiveLeg& leg);
  void leg_closed(SessionId session, bool connected);
  // A session of a proxy that was killed: over, but what the honeypot host may still say of it finds it.
  void leg_recovered(SessionId session, const Tuple& tuple);

  void take_events(int64_t now_ns);
  void heartbeat(int64_t now_ns);
  BaitPicture picture() const;
  size_t live() const { return live_.size(); }

 private:
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
  struct Rate {
    int64_t since_ns = 0;
    uint64_t claims = 0;
  };
  void take_lost(const wire::RecordsLost& lost);
  bool within_rate(Rate& rate, uint64_t serial, int64_t now_ns);
  void deliver(const std::vector<Join::Delivered>& delivered);

  const formats::BaitOptions options_;
  std::unique_ptr<ControlLink> link_;
  archive::Writer& writer_;
  const OnAlert on_alert_;
  SourcePorts ports_;
  Join join_;
  FileIntake files_;
  std::unordered_map<uint64_t, LiveLeg> live_;
  std::unordered_map<uint64_t, Tuple> ended_unbound_;  // their ports are held back
  bool connected_ = false;
  uint64_t pings_ = 0;
  uint64_t alerts_taken_ = 0;                             // of this connection; files too
  std::set<std::pair<uint64_t, uint32_t>> alerts_known_;  // id and pid
  std::deque<std::pair<uint64_t, uint32_t>> alerts_order_;
  int64_t last_heard_ns_ = 0;
  uint64_t monitor_lost_ = 0;
  uint64_t last_loss_ = 0;
  uint64_t claims_malformed_ = 0;
  uint64_t claims_over_rate_ = 0;
  Rate process_rate_;
  Rate alert_rate_;
  Rate file_rate_;
};

}  // namespace skep::proxy
