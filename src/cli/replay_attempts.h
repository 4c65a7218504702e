// One attempt after the other, as fast as the targets may be asked, each under the eyes of a bait's monitor where there
// is one. Any thread.
#pragma once

#include <mutex>

#include "cli/replay_ground.h"
#include "cli/replay_options.h"
#include "replay/player.h"
#include "replay/targets.h"

namespace skep::cli {

class ReplayAttempts {
 public:
  ReplayAttempts(const ReplayGround& ground, const ReplayOptions& options);
  replay::Attempt play(const replay::Recording& recording, const replay::Plan& plan, const Endpoint& target);
  replay::PlayerOptions& player() { return player_; }
  // The bait is our own: it may be asked as fast as it answers.
  void unlimited() { limited_ = false; }

 private:
  void await_turn(const Endpoint& target);

  replay::PlayerOptions player_;
  const std::string socket_;
  bool limited_ = true;
  std::mutex mutex_;
  replay::RateLimit limit_;  // under the mutex
};

// The experiment that the options ask for; the recordings are borrowed.
replay::Experiment experiment_of(const ReplayOptions& options, const replay::Recording& recording,
                                 const replay::Recording* other, const Result<Endpoint>& bait);

}  // namespace skep::cli
