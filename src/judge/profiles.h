// The profiles of all services: learned, set, held, taken away. What is in force is the kernel's affair; here is who
// has one, and what is being learned. One thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "judge/learned.h"
#include "judge/service_book.h"
#include "judge/watch_link.h"

namespace skep::judge {

// As watch wants it. Errors: a call that nobody knows.
Result<std::vector<skep_profile_entry>> profile_entries(const formats::ServiceProfile& profile);

class Profiles {
 public:
  Profiles(WatchLink& watch, const ServiceBook& services) : watch_(watch), services_(services) {}

  // The start: these are held, and no service else has one, whatever a judge before this one had set.
  Status begin(const std::vector<formats::ServiceProfile>& held);
  // Anew, from nothing. `span_ns`: so long after the kernel has begun to look, learning ends by itself; 0: it goes on
  // until `stop`.
  Status start(const std::string& service, int64_t span_ns);
  // Ends the learning, if time has not done so. `drain` takes what the kernel has told until then. The profile is not
  // in force by that.
  Result<formats::ServiceProfile> stop(const std::string& service, const std::function<void()>& drain);
  Status hold(const std::string& service, const formats::ServiceProfile& profile);
  Status remove(const std::string& service);
  // The service is not supervised any more: the kernel has forgotten its profile.
  void forget(const std::string& service) { entries_.erase(service); }

  // First-seen records, and those of flows opened, which are sessions.
  void take(ByteView record);
  void lost(uint64_t records);
  // Ends what has learned for its time.
  void step(int64_t now_ns);
  // "none", "learning", "learned" (ended, not fetched yet) or "held".
  std::string_view state_of(const std::string& service) const;

 private:
  struct Entry {
    skep_profile_mode mode = SKEP_PROFILE_NONE;
    Learned learned;
    int64_t until_ns = 0;  // monotonic; 0: no end
    int64_t ended_ns = 0;  // realtime; 0: it goes on
  };
  Result<uint32_t> slot_of(const std::string& service) const;
  Status send(uint32_t slot, skep_profile_mode mode, const std::vector<skep_profile_entry>& entries);
  Status end_learning(const std::string& service, Entry& entry);

  WatchLink& watch_;
  const ServiceBook& services_;
  std::map<std::string, Entry> entries_;
};

}  // namespace skep::judge
