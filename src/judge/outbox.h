// Outbox: what the proxy is to be told. Alerts stay here until the proxy has said that it has them: a connection that
// is cut takes none of them along. All else is news of the moment: told while there is a proxy, else left aside.
#pragma once

#include <cstdint>
#include <deque>

#include "wire/control.pb.h"

namespace skep::judge {

class Outbox {
 public:
  static constexpr size_t kAlertsMax = 10'000;  // waiting, and as many under way; beyond it the oldest goes, counted

  void put(wire::Frame frame);

  void peer_came();
  void peer_gone();
  // The next frame to be sent, or none; then what became of it: the channel has it, or has no room for it now.
  const wire::Frame* next() const { return connected_ && !waiting_.empty() ? &waiting_.front() : nullptr; }
  void sent();
  // False where it waits on (an alert); all else is dropped.
  bool refused();
  // The proxy has so many alerts of this connection.
  void acknowledged(uint64_t alerts);

  uint64_t alerts_lost() const { return alerts_lost_; }
  size_t under_way() const { return under_way_.size(); }

 private:
  void keep_within(std::deque<wire::Frame>& alerts);

  bool connected_ = false;
  std::deque<wire::Frame> waiting_;
  std::deque<wire::Frame> under_way_;  // alerts
  uint64_t acknowledged_ = 0;          // alerts of this connection
  uint64_t alerts_lost_ = 0;
};

}  // namespace skep::judge
