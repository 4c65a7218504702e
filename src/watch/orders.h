// The judge's orders: one packet in, its effect, one answer out (a snapshot: many). Every packet is checked for its
// size and bounds before anything is done with it; what does not fit is refused, counted, and never acted on.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"
#include "watch/kernel.h"
#include "watch/notifier.h"
#include "watch/profiles.h"
#include "watch/services.h"

namespace skep::watch {

class Orders {
 public:
  Orders(Kernel& kernel, Services& services, const Notifier& notifier, Copier& copier, int table_memory)
      : kernel_(kernel),
        services_(services),
        profiles_(kernel),
        notifier_(notifier),
        copier_(copier),
        table_memory_(table_memory) {}

  enum class Outcome { done, closed, stop };
  // Takes one packet from `socket` and answers it there.
  Outcome take_one(int socket);
  // Tells what has changed without being asked.
  void tell_changes(int socket);
  // Hands over the copies that are made.
  void tell_copies(int socket);
  bool sealed() const { return sealed_; }

 private:
  Result<uint32_t> answered(const skep_watch_head& head, const char* packet, size_t bytes, int socket);
  Status obey(const skep_watch_head& head, const char* packet, size_t bytes, int socket);
  Leave leave_for(const skep_file_order& order) const;
  Status set_table();
  Status send_snapshot(int socket, uint32_t ticket);
  Status send_counters(int socket, uint32_t ticket);

  Kernel& kernel_;
  Services& services_;
  Profiles profiles_;
  const Notifier& notifier_;
  Copier& copier_;
  const int table_memory_;
  bool sealed_ = false;
};

}  // namespace skep::watch
