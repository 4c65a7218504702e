// The experiment: which attempts are made, with which controls, until a verdict can be given. Knows no sockets: who
// makes an attempt is passed in. One thread.
#pragma once

#include <atomic>
#include <functional>
#include <span>

#include "replay/verdict.h"

namespace skep::replay {

struct Experiment {
  const Recording* recording = nullptr;
  const Recording* other = nullptr;  // of the same dialogue; nullptr: there is none
  std::vector<Rung> rungs;           // the ladder, from above
  std::optional<Endpoint> bait;      // where the positive control goes
  std::string no_bait_because;       // where there is none
  Endpoint target;
  std::string marker;
  std::vector<Place> needed;         // as minimising found it
  const Trials* controls = nullptr;  // with another target: what the bait showed then is not asked for again
  uint32_t tries = 0;                // at the target; 0: as many as the bait's success rate asks for
  uint32_t tries_max = 100;          // … and no more
  uint32_t control_tries_max = 20;
};

struct Attempts {
  // One attempt of a recording by a plan.
  std::function<Attempt(const Recording&, const Plan&, const Endpoint&)> play;
  // Each trial as it comes.
  std::function<void(const Trial&, const Plan&)> tell;
};

// The plans of the ladder that can be made; as recorded is always one where it is asked for.
std::vector<Plan> ladder(const Experiment& experiment);

Trials run(const Experiment& experiment, const Attempts& attempts, const std::atomic<bool>& stop);

}  // namespace skep::replay
