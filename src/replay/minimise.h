// The smallest byte string of a recorded attack that still raises its alert: delta debugging (Zeller, Hildebrandt
// 2002), with the bait's alert as the oracle. Then which of the bytes that are left must have their value, and which
// need only be there. Knows no sockets; one thread.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "replay/plan.h"

namespace skep::replay {

struct Candidate {
  Recording recording;
  Plan plan;
};

struct MinimiseOptions {
  uint32_t candidates_max = 20'000;  // beyond it what there is by then is given, and says so
  size_t at_once = 36;               // candidates that are asked about together
};

struct Minimal {
  std::vector<Place> kept;    // bytes of the recording's client messages, in order; without the rest the alert comes
  std::vector<Place> needed;  // of them, whose values must be these
  size_t bytes = 0;           // kept
  size_t bytes_needed = 0;
  uint32_t candidates = 0;  // that were asked about
  bool whole = false;       // every single byte, and every range of two to the power of n bytes, was tried last
};

// For each candidate, whether the alert comes. Several are tried at once.
using StillAttacks = std::function<std::vector<bool>(const std::vector<Candidate>&)>;
using MinimiseProgress = std::function<void(size_t bytes_left, uint32_t candidates)>;

// Error: the alert does not come with all of the bytes.
Result<Minimal> minimise(const Recording& recording, const Plan& plan, const StillAttacks& still_attacks,
                         const MinimiseOptions& options, const MinimiseProgress& progress,
                         const std::atomic<bool>& stop);

// The recording with those bytes of its client's messages up to the trigger alone, and the plan for it. What follows
// the trigger is left out.
Candidate reduced(const Recording& recording, const Plan& plan, const std::vector<Place>& kept);

}  // namespace skep::replay
