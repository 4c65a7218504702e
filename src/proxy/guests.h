// Guests: connections to a bait that are no sessions of this proxy, but whose maker, here on its host, wants to know
// what the bait's monitor says of them (a replay). To the bait each is a leg as a session's is; what is told of it is
// kept here until it is asked for, and goes into no log. Pure: the time is passed in. One thread at a time.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "proxy/post.h"

namespace skep::proxy {

// A guest's number is an id that no session has: those are times since 1970, far above.
constexpr uint64_t kGuestIdsEnd = uint64_t{1} << 48;
constexpr bool is_guest(SessionId id) {
  return id.value < kGuestIdsEnd;
}

class Guests {
 public:
  static constexpr size_t kGuestsMax = 256;
  static constexpr size_t kAlertsMax = 64;                 // kept of one; the others are counted
  static constexpr size_t kAlertBytesMax = 256 * 1024;     // … all together
  static constexpr int64_t kPatienceNs = 600'000'000'000;  // after it was last asked of, a guest is forgotten

  struct Guest {
    size_t bait = 0;
    uint32_t served_by_pid = 0;
    bool supervised = true;     // nothing can have been missed since it was announced
    std::vector<Bytes> alerts;  // as formats/event_codec.h has them
    uint64_t more_alerts = 0;   // for which there was no room
    size_t alert_bytes = 0;
    int64_t asked_ns = 0;
  };

  // `first`: the first number. A number of a former life of the proxy must not come again: whoever still has it would
  // be told of another's.
  explicit Guests(uint64_t first) : next_(first % kGuestIdsEnd) {}

  // nullopt: there are as many as there may be.
  std::optional<SessionId> open(size_t bait, int64_t now_ns);
  void told(SessionId guest, const decltype(Word::what)& what);
  // nullptr: there is none of this number (any more).
  const Guest* asked(SessionId guest, int64_t now_ns);
  // The bait that it was at.
  std::optional<size_t> close(SessionId guest);
  // Those after whom nobody has asked for so long, with their baits; they are forgotten by it.
  std::vector<std::pair<SessionId, size_t>> take_forgotten(int64_t now_ns);
  size_t size() const { return guests_.size(); }

 private:
  uint64_t next_;
  std::map<SessionId, Guest> guests_;
};

}  // namespace skep::proxy
