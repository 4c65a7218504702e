#include "replay/trials.h"

#include <algorithm>

#include "replay/compare.h"

namespace skep::replay {
namespace {

constexpr uint32_t kFirstTries = 2;       // of a rung; where none has an effect the next one is tried
constexpr uint32_t kSuccessesWanted = 3;  // for a rate that can be reckoned with; where all succeed it is one
constexpr uint32_t kNegativeTries = 2;
constexpr size_t kUnansweredMax = 3;  // tries in a row in which an answer was left out; each costs all our patience

class Run {
 public:
  Run(const Experiment& experiment, const Attempts& attempts, const std::atomic<bool>& stop)
      : e_(experiment), attempts_(attempts), stop_(stop) {
    t_.recording = e_.recording;
    t_.effect = effect_of(*e_.recording, e_.marker);
    t_.no_control = e_.bait ? "" : e_.no_bait_because;
  }

  Trials make() {
    plans_ = ladder(e_);
    SKEP_CHECK(!plans_.empty());
    t_.plan = plans_.front();
    if (!e_.recording->empty()) all();
    t_.stopped = stop_;
    return std::move(t_);
  }

 private:
  void all() {
    if (e_.controls != nullptr && !target_is_bait()) {
      t_.plan = e_.controls->plan;
      t_.positive = e_.controls->positive;
      t_.negative = e_.controls->negative;
      t_.harmless = e_.controls->harmless;
    } else if (e_.bait) {
      positive_control();
      if (any(t_.positive)) negative_control();
    }
    if (target_is_bait()) {
      t_.target = t_.positive;
      return;
    }
    if (const auto twin = neutralised(*e_.recording, t_.plan, t_.harmless, e_.needed))
      trial(t_.target_negative, Part::target_negative, *twin, t_.plan, e_.target);
    e_.bait ? by_one_plan() : by_the_ladder();
  }

  // Up to the first rung that has an effect, and there until its rate is known. Where none has: the first again, for
  // an attack that succeeds now and then.
  void positive_control() {
    for (const Plan& plan : plans_) {
      std::vector<Trial> tried;
      for (uint32_t i = 0; i < kFirstTries && !stop_ && !any(tried); ++i)
        trial(tried, Part::positive, *e_.recording, plan, *e_.bait);
      if (any(tried) || !t_.plan.crypto.empty()) {
        t_.plan = plan;
        t_.positive = std::move(tried);
        break;
      }
      if (t_.positive.empty() || reaches_further(tried, t_.positive)) {
        t_.plan = plan;
        t_.positive = std::move(tried);
      }
    }
    if (!t_.plan.crypto.empty() && !any(t_.positive)) return;
    if (t_.recording->alerts.empty() && t_.effect.marker.empty() && !any(t_.positive)) return;
    const uint32_t most = std::max(e_.control_tries_max, target_is_bait() ? e_.tries : 0);
    while (t_.positive.size() < most && !rate_known() && !unanswered(t_.positive) && !stop_)
      trial(t_.positive, Part::positive, *e_.recording, t_.plan, *e_.bait);
  }

  bool rate_known() const {
    if (target_is_bait() && t_.positive.size() < e_.tries) return false;
    return successes(t_.positive) >= kSuccessesWanted;
  }
  // Then the positive control are the target's own trials.
  bool target_is_bait() const { return e_.bait == e_.target; }

  // More and more is made harmless until the bait raises no alert.
  void negative_control() {
    for (const Harmless how : kHarmless) {
      const auto twin = neutralised(*e_.recording, t_.plan, how, e_.needed);
      if (!twin) continue;
      t_.harmless = how;
      t_.negative.clear();
      for (uint32_t i = 0; i < kNegativeTries && !stop_ && !any(t_.negative); ++i)
        trial(t_.negative, Part::negative, *twin, t_.plan, *e_.bait);
      if (!any(t_.negative)) return;
    }
  }

  void by_one_plan() {
    const uint32_t wanted = e_.tries != 0 ? e_.tries : std::min(tries_for(success_rate(t_.positive)), e_.tries_max);
    for (uint32_t i = 0; i < wanted && !unanswered(t_.target) && !stop_; ++i) {
      if (!trial(t_.target, Part::target, *e_.recording, t_.plan, e_.target)) return;
      // To whom nothing could be said, nothing can be said by trying again.
      if (t_.target.back().attempt.steps_done == 0) return;
    }
  }

  // Without a bait nothing says which rung is right.
  void by_the_ladder() {
    for (const Plan& plan : plans_) {
      t_.plan = plan;
      t_.target.clear();
      by_one_plan();
      if (any(t_.target)) return;
    }
  }

  // False: more of the same would show nothing else.
  bool trial(std::vector<Trial>& to, Part part, const Recording& recording, const Plan& plan, const Endpoint& target) {
    Trial made;
    made.part = part;
    made.attempt = attempts_.play(recording, plan, target);
    made.sign = sign_of(t_.effect, made.attempt);
    made.delivered = made.attempt.triggered_ns != 0;
    made.diverged_at = divergence(*e_.recording, expected(part), made.attempt, recording.trigger().value_or(0));
    if (attempts_.tell) attempts_.tell(made, plan);
    to.push_back(std::move(made));
    return to.back().attempt.ending != Ending::failed;
  }

  // What is known of the answers: two attempts at the bait, else the recording itself.
  std::vector<Expected> expected(Part part) const {
    std::vector<const Attempt*> well;
    if (part != Part::positive) {
      for (const Trial& each : t_.positive) {
        if (each.sign != Sign::none) well.push_back(&each.attempt);
      }
    }
    if (well.size() > 1) return expected_of(well[0]->answers, well[1]->answers);
    std::vector<Bytes> recorded;
    for (const Message& message : e_.recording->messages)
      recorded.push_back(message.direction == Direction::to_client ? message.bytes : Bytes{});
    return expected_of(recorded, well.empty() ? std::vector<Bytes>{} : well[0]->answers);
  }

  // The dialogue is another there, and will be.
  static bool unanswered(const std::vector<Trial>& trials) {
    return trials.size() >= kUnansweredMax &&
           std::all_of(trials.end() - kUnansweredMax, trials.end(),
                       [](const Trial& each) { return !each.delivered && each.attempt.ending == Ending::timed_out; });
  }
  static bool any(const std::vector<Trial>& trials) { return successes(trials) != 0; }
  static bool reaches_further(const std::vector<Trial>& a, const std::vector<Trial>& b) {
    const auto reach = [](const std::vector<Trial>& trials) {
      uint32_t most = 0;
      for (const Trial& each : trials)
        most = std::max(most, each.diverged_at ? *each.diverged_at : 2 * each.attempt.steps_done + 1'000'000);
      return most;
    };
    return reach(a) > reach(b);
  }

  const Experiment& e_;
  const Attempts& attempts_;
  const std::atomic<bool>& stop_;
  std::vector<Plan> plans_;
  Trials t_;
};

}  // namespace

std::vector<Plan> ladder(const Experiment& experiment) {
  std::vector<Plan> plans;
  for (const Rung rung : experiment.rungs) {
    if (rung == Rung::two_recordings) {
      if (!experiment.other) continue;
      if (auto plan = plan_two_recordings(*experiment.recording, *experiment.other)) plans.push_back(std::move(*plan));
    } else {
      plans.push_back(rung == Rung::echoes ? plan_echoes(*experiment.recording)
                                           : plan_as_recorded(*experiment.recording));
    }
  }
  if (plans.empty()) plans.push_back(plan_as_recorded(*experiment.recording));
  return plans;
}

Trials run(const Experiment& experiment, const Attempts& attempts, const std::atomic<bool>& stop) {
  return Run(experiment, attempts, stop).make();
}

}  // namespace skep::replay
