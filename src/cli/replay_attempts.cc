#include "cli/replay_attempts.h"

#include <algorithm>
#include <thread>

#include "base/clock.h"
#include "replay/proxy_oracle.h"

namespace skep::cli {
namespace {

constexpr int64_t kPauseNs = 100'000'000;  // a signal is looked for as often

}  // namespace

ReplayAttempts::ReplayAttempts(const ReplayGround& ground, const ReplayOptions& options)
    : socket_(ground.socket()), limit_(ground.attempts_per_second()) {
  player_.answer_timeout_ms = options.patience_s * 1000;
  player_.as_recorded_timing = options.timing == "as-recorded";
}

replay::Attempt ReplayAttempts::play(const replay::Recording& recording, const replay::Plan& plan,
                                     const Endpoint& target) {
  await_turn(target);
  replay::ProxyOracle oracle(socket_);
  return replay::play(recording, plan, target, player_, socket_.empty() ? nullptr : &oracle, stop_flag());
}

void ReplayAttempts::await_turn(const Endpoint& target) {
  while (limited_ && !stop_flag()) {
    int64_t wait_ns = 0;
    {
      const std::lock_guard lock(mutex_);
      wait_ns = limit_.wait_ns(target, now_monotonic_ns());
    }
    if (wait_ns == 0) return;
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(wait_ns, kPauseNs)));
  }
}

replay::Experiment experiment_of(const ReplayOptions& options, const replay::Recording& recording,
                                 const replay::Recording* other, const Result<Endpoint>& bait) {
  replay::Experiment experiment;
  experiment.recording = &recording;
  experiment.other = other;
  if (bait) {
    experiment.bait = *bait;
  } else {
    experiment.no_bait_because = bait.error().message;
  }
  for (const replay::Rung rung : {replay::Rung::two_recordings, replay::Rung::echoes, replay::Rung::as_recorded}) {
    if (options.plan.empty() || options.plan == replay::to_string(rung)) experiment.rungs.push_back(rung);
  }
  experiment.marker = options.marker;
  experiment.tries = options.times;
  experiment.tries_max = options.times_max;
  experiment.control_tries_max = std::min(experiment.control_tries_max, options.times_max);
  return experiment;
}

}  // namespace skep::cli
