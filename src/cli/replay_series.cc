#include "cli/replay_series.h"

#include <cstdio>
#include <map>
#include <set>

#include "base/file.h"
#include "base/text.h"
#include "cli/replay_attempts.h"
#include "cli/replay_text.h"
#include "replay/minimal_file.h"

namespace skep::cli {
namespace {

constexpr size_t kReportBytesMax = size_t{1} << 30;

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

std::string done_key(const std::string& name, const std::string& target) {
  return name + " " + target;
}

// What a report has already: a line a verdict, as `verdict_json` writes it.
Result<std::set<std::string>> done_of(const std::string& report) {
  std::set<std::string> done;
  const auto text = read_file(report, kReportBytesMax);
  if (!text) {
    if (text.error().code == ENOENT) return done;
    return tl::unexpected<Error>(text.error());
  }
  const auto value = [](std::string_view line, std::string_view name) {
    const std::string key = fmt::format("\"{}\":\"", name);
    const size_t at = line.find(key);
    if (at == std::string_view::npos) return std::string();
    const size_t from = at + key.size();
    return std::string(line.substr(from, line.find('"', from) - from));
  };
  for (const std::string_view line : split(*text, '\n')) {
    // What was interrupted is done again.
    if (value(line, "verdict").empty() || value(line, "reason") == "STOPPED") continue;
    done.insert(done_key(value(line, "session"), value(line, "target")));
  }
  return done;
}

class Series {
 public:
  Series(ReplayGround& ground, const ReplayOptions& options)
      : ground_(ground), options_(options), attempts_(ground, options) {}

  int run(const std::vector<Subject>& subjects, const std::vector<Endpoint>& targets) {
    if (auto ready = get_ready(); !ready) return replay_complains(ready.error().message);
    many_ = subjects.size() * std::max<size_t>(targets.size(), 1) > 1;
    if (many_) attempts_told_ = options_.json;
    const size_t all = subjects.size() * std::max<size_t>(targets.size(), 1);
    for (const Subject& subject : subjects) {
      const auto bait = ground_.bait_of(subject);
      controls_.reset();
      recording_.reset();
      std::vector<Endpoint> to = targets;
      if (to.empty() && bait) to = {*bait};
      if (to.empty()) return replay_complains(subject.name + ": no --target, and " + bait.error().message);
      for (const Endpoint& target : to) {
        if (stop_flag()) break;
        ++turn_;
        if (done_.contains(done_key(subject.name, to_string(target)))) continue;
        if (many_)
          std::fprintf(stderr, "skep replay: %zu of %zu: %s to %s\n", turn_, all, subject.name.c_str(),
                       to_string(target).c_str());
        if (auto made = one(subject, bait, target); !made)
          return replay_complains(subject.name + ": " + made.error().message);
      }
    }
    if (report_ && std::fclose(report_) != 0) return replay_complains(fail_errno(options_.report).value().message);
    if (many_ && !options_.json) print(matrix());
    return worst_;
  }

 private:
  Status get_ready() {
    if (!options_.report.empty()) {
      auto done = done_of(options_.report);
      if (!done) return tl::unexpected<Error>(done.error());
      done_ = std::move(*done);
      if (!done_.empty())
        std::fprintf(stderr, "skep replay: %zu verdicts are in %s already\n", done_.size(), options_.report.c_str());
      report_ = std::fopen(options_.report.c_str(), "ae");
      if (!report_) return fail_errno(options_.report);
    }
    if (options_.with.empty()) return {};
    auto others = ground_.named(options_.with, {});
    if (!others) return tl::unexpected<Error>(others.error());
    if (others->size() != 1)
      return fail("--with {}: it must be one recording, and holds {}", options_.with, others->size());
    auto other = ground_.recording(others->front());
    if (!other) return tl::unexpected<Error>(other.error());
    other_ = std::move(*other);
    return {};
  }

  Status one(const Subject& subject, const Result<Endpoint>& bait, const Endpoint& target) {
    if (!recording_) {
      auto recording = ground_.recording(subject);
      if (!recording) return tl::unexpected<Error>(recording.error());
      recording_ = std::move(*recording);
    }
    replay::Experiment experiment = experiment_of(options_, *recording_, other_ ? &*other_ : nullptr, bait);
    experiment.target = target;
    if (controls_ && bait) experiment.controls = &*controls_;
    if (subject.session) {
      const auto kept = replay::read_minimal(ground_.archive(), subject.session->id);
      if (!kept) return tl::unexpected<Error>(kept.error());
      if (*kept) experiment.needed = (*kept)->minimal.needed;
    }
    if (options_.explain || options_.dry_run) explain(experiment);
    if (options_.dry_run) return {};
    unsigned number = 0;
    const auto tell = [&](const replay::Trial& trial, const replay::Plan&) {
      ++number;
      if (options_.json) {
        print(trial_json(*recording_, trial, number) + "\n");
      } else if (!many_) {
        print(trial_line(trial, number) + "\n");
      }
    };
    const auto play = [&](const replay::Recording& of, const replay::Plan& plan, const Endpoint& to) {
      return attempts_.play(of, plan, to);
    };
    replay::Trials trials = replay::run(experiment, {play, tell}, stop_flag());
    give(*recording_, target, trials, replay::judge(trials));
    controls_ = std::move(trials);
    return {};
  }

  void explain(const replay::Experiment& experiment) {
    for (const replay::Plan& plan : replay::ladder(experiment)) {
      const std::string text = replay::explain(*experiment.recording, plan);
      std::fprintf(options_.json ? stderr : stdout, "%s", text.c_str());
    }
  }

  void give(const replay::Recording& recording, const Endpoint& target, const replay::Trials& trials,
            const replay::Judgement& judgement) {
    const std::string line = verdict_json(recording, target, trials, judgement) + "\n";
    if (report_) {
      std::fwrite(line.data(), 1, line.size(), report_);
      std::fflush(report_);
    }
    if (options_.json) {
      print(line);
    } else if (!many_) {
      print(verdict_text(trials, judgement));
    }
    verdicts_[recording.name][to_string(target)] = verdict_word(judgement);
    worst_ = std::max(worst_, exit_code(judgement));
  }

  // A line a recording, a column a target; then how often each verdict came.
  std::string matrix() const {
    std::set<std::string> targets;
    std::map<std::string, size_t> counts;
    for (const auto& [session, of] : verdicts_) {
      for (const auto& [target, word] : of) {
        targets.insert(target);
        ++counts[word];
      }
    }
    std::string text = fmt::format("{:<34}", "SESSION");
    for (const std::string& target : targets) text += fmt::format(" {:<34}", target);
    text += '\n';
    for (const auto& [session, of] : verdicts_) {
      text += fmt::format("{:<34}", printable(session));
      for (const std::string& target : targets) {
        const auto found = of.find(target);
        text += fmt::format(" {:<34}", found == of.end() ? "-" : found->second);
      }
      text += '\n';
    }
    for (const auto& [word, count] : counts) text += fmt::format("{:>8} {}\n", count, word);
    return text;
  }

  ReplayGround& ground_;
  const ReplayOptions& options_;
  ReplayAttempts attempts_;
  std::optional<replay::Recording> other_;
  std::optional<replay::Recording> recording_;  // of the subject whose turn it is
  std::optional<replay::Trials> controls_;      // of this recording, with the target before
  std::set<std::string> done_;
  std::FILE* report_ = nullptr;
  bool many_ = false;
  bool attempts_told_ = true;
  size_t turn_ = 0;
  int worst_ = 0;
  std::map<std::string, std::map<std::string, std::string>> verdicts_;  // by session and target
};

}  // namespace

int replay_series(ReplayGround& ground, const ReplayOptions& options, const std::vector<Subject>& subjects,
                  const std::vector<Endpoint>& targets) {
  return Series(ground, options).run(subjects, targets);
}

}  // namespace skep::cli
