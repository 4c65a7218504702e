// Which sessions belong together: a data connection of passive FTP comes from the source of its control connection, to
// another port. Of the services that others name in `linked_to` it is known which sessions of which source live, or
// have just ended. Pure: the time is passed in. One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "model/session.h"

namespace skep::proxy {

class Kin {
 public:
  static constexpr int64_t kAfterEndNs = 10'000'000'000;  // so long an ended session may still be a parent
  static constexpr size_t kEndedMax = 16'384;             // that are remembered: the oldest are forgotten first

  void opened(size_t service, const Endpoint& source, SessionId session);
  void ended(size_t service, const Endpoint& source, SessionId session, int64_t now_ns);
  // The newest live session of this source with the service; where none lives, the one that has ended last.
  std::optional<SessionId> parent(size_t service, const Endpoint& source, int64_t now_ns) const;
  size_t remembered() const { return ended_order_.size(); }

 private:
  using Key = std::pair<size_t, std::array<uint8_t, 16>>;
  struct Ended {
    SessionId session;
    int64_t at_ns;
  };
  struct Family {
    std::vector<SessionId> live;  // in the order in which they began
    std::optional<Ended> ended;   // the last
  };
  void forget(const Key& key, SessionId session);

  std::map<Key, Family> families_;
  std::deque<std::pair<Key, SessionId>> ended_order_;
};

}  // namespace skep::proxy
