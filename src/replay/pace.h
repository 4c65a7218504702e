// How long things took when they were recorded, and so how long they are waited for when the dialogue is held again.
// Times of a recording are what its writer says: no span is negative or longer than an attempt. Pure; any thread.
#pragma once

#include "replay/player.h"

namespace skep::replay {

class Pace {
 public:
  Pace(const Recording& recording, const PlayerOptions& options) : recording_(recording), options_(options) {}

  // Before the client's message, where its timing is kept.
  int64_t pause_ns(uint32_t message) const;
  // For an answer to begin: a service that took long may take as long again.
  int64_t patience_ns(uint32_t message) const;
  // Of silence, after which an answer of so many bytes is over; where it lacks a value that is needed: `lacking`.
  int64_t quiet_ns(uint32_t message, size_t came, bool lacking) const;
  // For what comes of the trigger.
  int64_t listening_ns(uint32_t trigger) const;
  // From the last message to the end of the connection.
  int64_t last_end_ns() const;

 private:
  int64_t span_ns(int64_t from_ns, int64_t to_ns) const;

  const Recording& recording_;
  const PlayerOptions& options_;
};

}  // namespace skep::replay
