// skep replay --minimise
#include <chrono>
#include <cstdio>
#include <thread>

#include "base/text.h"
#include "cli/minimal_text.h"
#include "cli/replay_attempts.h"
#include "cli/replay_series.h"
#include "cli/replay_text.h"

namespace skep::cli {
namespace {

// What does not attack is to be known soon: so many times what an attack took, and no less than so long for an answer,
// and for the alert behind it.
constexpr int64_t kPatience = 5;
constexpr int64_t kPatienceLeastNs = 300'000'000;
constexpr int64_t kAfterLeastNs = 100'000'000;
constexpr size_t kThreads = 12;  // each waits most of its time
constexpr unsigned kCheckTries = 3;
constexpr unsigned kUnservedTries = 3;
constexpr std::chrono::milliseconds kBusyPause{500};

// The same alert comes. A candidate is asked about as often as it takes to be sure that it does not.
class BaitAsked {
 public:
  BaitAsked(ReplayAttempts& attempts, const Endpoint& bait, replay::Effect effect, uint32_t tries)
      : attempts_(attempts), bait_(bait), effect_(std::move(effect)), tries_(tries) {}

  std::vector<bool> ask(const std::vector<replay::Candidate>& candidates) {
    std::vector<char> attacks(candidates.size());
    std::atomic<size_t> next{0};
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < std::min(kThreads, candidates.size()); ++i) {
      threads.emplace_back([&] {
        for (size_t at = next++; at < candidates.size(); at = next++) attacks[at] = attacks_again(candidates[at]);
      });
    }
    threads.clear();
    return {attacks.begin(), attacks.end()};
  }
  bool attacks_again(const replay::Candidate& candidate) {
    for (uint32_t i = 0; i < tries_ && !stop_flag(); ++i) {
      if (replay::sign_of(effect_, served(candidate)) == replay::Sign::alert) return true;
    }
    return false;
  }

 private:
  // What the bait was too busy to serve says nothing of the candidate.
  replay::Attempt served(const replay::Candidate& candidate) {
    replay::Attempt attempt = attempts_.play(candidate.recording, candidate.plan, bait_);
    for (unsigned i = 1; i < kUnservedTries && !attempt.watched && !stop_flag(); ++i) {
      std::this_thread::sleep_for(kBusyPause);
      attempt = attempts_.play(candidate.recording, candidate.plan, bait_);
    }
    return attempt;
  }

  ReplayAttempts& attempts_;
  const Endpoint bait_;
  const replay::Effect effect_;
  const uint32_t tries_;
};

class Minimising {
 public:
  Minimising(ReplayGround& ground, const ReplayOptions& options, const Subject& subject)
      : ground_(ground), options_(options), subject_(subject), attempts_(ground, options) {
    attempts_.unlimited();
  }

  Result<replay::KeptMinimal> run() {
    const auto bait = ground_.bait_of(subject_);
    if (!bait) return tl::unexpected<Error>(bait.error());
    const auto recording = ground_.recording(subject_);
    if (!recording) return tl::unexpected<Error>(recording.error());
    const auto trials = controls(*recording, *bait);
    if (!trials) return tl::unexpected<Error>(trials.error());
    hurry(*trials);
    const double rate = replay::success_rate(trials->positive);
    // With the lengths solved more can go; where something that looks like one is none, without.
    replay::Plan plan = replay::with_all_lengths(*recording, trials->plan);
    BaitAsked asked(attempts_, *bait, trials->effect, rate >= 1 ? 1 : replay::tries_for(rate));
    if (!asked.attacks_again({*recording, plan})) plan = trials->plan;
    auto minimal = replay::minimise(
        *recording, plan, [&](const auto& candidates) { return asked.ask(candidates); }, {},
        [&](size_t left, uint32_t candidates) { say(left, candidates); }, stop_flag());
    if (isatty(STDERR_FILENO)) std::fputc('\n', stderr);
    if (!minimal) return tl::unexpected<Error>(minimal.error());
    const replay::Candidate last = replay::reduced(*recording, plan, minimal->kept);
    for (unsigned i = 0; i < kCheckTries && rate >= 1; ++i) {
      if (!asked.attacks_again(last)) return fail("what is left raises the alert only now and then");
    }
    return replay::KeptMinimal{std::move(*minimal), rule_of(*trials), client_bytes(*recording)};
  }

 private:
  void hurry(const replay::Trials& trials) {
    int64_t answers_ns = kPatienceLeastNs, alert_ns = kAfterLeastNs;
    for (const replay::Trial& trial : trials.positive) {
      const replay::Attempt& attempt = trial.attempt;
      if (trial.sign != replay::Sign::alert) continue;
      answers_ns = std::max(answers_ns, kPatience * (attempt.ended_ns - attempt.begun_ns));
      alert_ns = std::max(alert_ns, kPatience * (attempt.ended_ns - attempt.triggered_ns));
    }
    replay::PlayerOptions& player = attempts_.player();
    player.answer_timeout_ms = static_cast<uint32_t>(answers_ns / 1'000'000);
    player.after_ms = static_cast<uint32_t>(alert_ns / 1'000'000);
    player.quiet_ms = std::min(player.quiet_ms, player.answer_timeout_ms);
    player.look_for_greeting = false;
    player.attempt_ms_max = 4 * player.answer_timeout_ms + player.after_ms;
  }
  // The plan by which the bait shows the alert, and how often it does.
  Result<replay::Trials> controls(const replay::Recording& recording, const Endpoint& bait) {
    replay::Experiment experiment = experiment_of(options_, recording, nullptr, bait);
    experiment.target = bait;
    const auto play = [&](const auto& of, const auto& plan, const Endpoint& to) {
      return attempts_.play(of, plan, to);
    };
    replay::Trials trials = replay::run(experiment, {play, {}}, stop_flag());
    if (rule_of(trials).empty())
      return fail("replayed as it is, it raises no alert: {}", verdict_word(replay::judge(trials)));
    // The smallest attack is that of one alert, not of any.
    trials.effect.rules = {rule_of(trials)};
    trials.effect.marker.clear();
    return trials;
  }
  static std::string rule_of(const replay::Trials& trials) {
    for (const replay::Trial& trial : trials.positive) {
      if (trial.sign != replay::Sign::alert) continue;
      for (const Alert& alert : trial.attempt.alerts) {
        if (alert.raises_to() == SessionClass::attack) return alert.rule;
      }
    }
    return {};
  }
  static size_t client_bytes(const replay::Recording& recording) {
    size_t sum = 0;
    for (uint32_t i = 0; i <= recording.trigger().value_or(0); ++i) {
      if (recording.messages[i].direction == Direction::to_bait) sum += recording.messages[i].bytes.size();
    }
    return sum;
  }
  void say(size_t left, uint32_t candidates) {
    if (isatty(STDERR_FILENO)) {
      std::fprintf(stderr, "\rskep replay: %zu bytes are left, %u candidates were tried ", left, candidates);
    } else if (candidates / 500 != said_) {
      said_ = candidates / 500;
      std::fprintf(stderr, "skep replay: %zu bytes are left, %u candidates were tried\n", left, candidates);
    }
  }

  ReplayGround& ground_;
  const ReplayOptions& options_;
  const Subject& subject_;
  ReplayAttempts attempts_;
  uint32_t said_ = 0;
};

void say(ReplayGround& ground, const ReplayOptions& options, const Subject& subject, const replay::KeptMinimal& kept) {
  std::string text;
  if (options.json) {
    JsonWriter json;
    json.begin_object().field("session", subject.name);
    minimal_json(json.key("minimal"), kept);
    text = json.end_object().take() + "\n";
  } else {
    const auto recording = ground.recording(subject);
    text = subject.name + ": " + minimal_words(kept) + "\n" + (recording ? minimal_runs(*recording, kept) : "");
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

int replay_minimised(ReplayGround& ground, const ReplayOptions& options, const std::vector<Subject>& subjects) {
  int code = 0;
  for (const Subject& subject : subjects) {
    if (stop_flag()) return 1;
    const auto kept = Minimising(ground, options, subject).run();
    if (!kept) {
      code = replay_complains(subject.name + ": " + kept.error().message, 1);
      continue;
    }
    if (subject.session) {
      const auto written = replay::write_minimal(ground.archive(), subject.session->id, *kept);
      if (!written) return replay_complains(written.error().message);
    }
    say(ground, options, subject, *kept);
  }
  return code;
}

}  // namespace skep::cli
