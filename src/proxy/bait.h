// One bait as the shard sees it: its control link, whose sessions live there, which ports name them. The shard's thread
// only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "archive/writer.h"
#include "formats/options.h"
#include "proxy/control_link.h"
#include "proxy/join.h"
#include "proxy/ports.h"

namespace skep::proxy {

struct LiveLeg {
  Tuple tuple;
  std::string service;
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

  void take_events(int64_t now_ns);
  void heartbeat(int64_t now_ns);
  std::string status_json() const;
  size_t live() const { return live_.size(); }

 private:
  void take_frame(const wire::Frame& frame, int64_t now_ns);
  void take_flow(const wire::FlowOpened& opened, int64_t now_ns);
  void take_process(const wire::ProcessEvent& event);
  void take_alert(const wire::Alert& alert, int64_t now_ns);
  void take_pong(const wire::Pong& pong, int64_t now_ns);
  void greet();
  void welcomed();
  void gone(const std::string& why);
  void announce(SessionId session, const LiveLeg& leg);
  bool within_rate(int64_t now_ns);
  void deliver(const std::vector<Join::Delivered>& delivered);

  const formats::BaitOptions options_;
  std::unique_ptr<ControlLink> link_;
  archive::Writer& writer_;
  const OnAlert on_alert_;
  SourcePorts ports_;
  Join join_;
  std::unordered_map<uint64_t, LiveLeg> live_;
  std::unordered_map<uint64_t, Tuple> ended_unbound_;  // their ports are held back
  bool connected_ = false;
  uint64_t pings_ = 0;
  int64_t last_heard_ns_ = 0;
  uint64_t monitor_lost_ = 0;
  uint64_t claims_malformed_ = 0;
  uint64_t claims_over_rate_ = 0;
  int64_t bucket_ns_ = 0;
  uint64_t bucket_ = 0;
};

}  // namespace skep::proxy
