// Outbox: what the proxy is to be told. Alerts, and the files that they concern, stay here until the proxy has said
// that it has them: a connection that is cut takes none of them along. All else is news of the moment: told while there
// is a proxy, else left aside.
#pragma once

#include <cstdint>
#include <deque>

#include "judge/journal.h"
#include "wire/control.pb.h"

namespace skep::judge {

class Outbox {
 public:
  // With a journal, what must arrive outlives this process.
  explicit Outbox(Journal* journal = nullptr) : journal_(journal) {}

  // Waiting, all kinds together; alerts under way; alerts that wait for a proxy to come. Beyond a bound the oldest
  // goes, news before an alert, and is counted.
  static constexpr size_t kFramesMax = 20'000;
  static constexpr size_t kAlertsMax = 10'000;

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

  uint64_t lost() const { return lost_; }
  uint64_t unjournaled() const { return unjournaled_; }
  size_t under_way() const { return under_way_.size(); }

 private:
  void keep_within(size_t most);
  void keep(const wire::Frame& frame);
  void settle();

  bool connected_ = false;
  std::deque<wire::Frame> waiting_;
  std::deque<wire::Frame> under_way_;  // alerts
  uint64_t acknowledged_ = 0;          // alerts of this connection
  uint64_t lost_ = 0;
  Journal* const journal_;
  size_t pending_ = 0;  // must arrive, and is waiting or under way
  uint64_t unjournaled_ = 0;
};

}  // namespace skep::judge
