#include "replay/verdict.h"

#include <algorithm>
#include <cmath>

#include "replay/compare.h"

namespace skep::replay {
namespace {

constexpr uint32_t kTriesLeast = 3;
constexpr double kMissed = 0.01;  // that a vulnerable target shows nothing in all tries

bool recorded_rule(const Effect& effect, const Alert& alert) {
  if (effect.rules.empty()) return alert.raises_to() == SessionClass::attack;
  return std::find(effect.rules.begin(), effect.rules.end(), alert.rule) != effect.rules.end();
}

// What we sent ourselves proves nothing when it comes back.
bool has_marker(const Attempt& attempt, const Bytes& marker) {
  if (marker.empty()) return false;
  const auto holds = [&](const Bytes& bytes) {
    return std::search(bytes.begin(), bytes.end(), marker.begin(), marker.end()) != bytes.end();
  };
  if (std::any_of(attempt.sent.begin(), attempt.sent.end(), holds)) return false;
  return holds(attempt.after) || std::any_of(attempt.answers.begin(), attempt.answers.end(), holds);
}

bool crash_seen(const Attempt& attempt) {
  return std::any_of(attempt.alerts.begin(), attempt.alerts.end(), [](const Alert& alert) { return alert.crash; });
}

// The target's side of the dialogue is in one attempt as it can be expected, or else it is not.
struct Sides {
  std::vector<Expected> answers;
  Expected after;
};
Sides sides_of(const std::vector<const Trial*>& trials) {
  if (trials.empty()) return {};
  const Attempt& first = trials.front()->attempt;
  const Attempt& second = trials.size() > 1 ? trials[1]->attempt : first;
  return {expected_of(first.answers, second.answers), Expected(first.after, second.after)};
}

std::vector<const Trial*> with_sign(const std::vector<Trial>& trials) {
  std::vector<const Trial*> found;
  for (const Trial& trial : trials) {
    if (trial.sign != Sign::none) found.push_back(&trial);
  }
  return found;
}

// Both attempts went the same way, from the first answer to the end.
bool same_course(const Attempt& a, const Attempt& b) {
  if (a.ending != b.ending || a.after.empty() != b.after.empty()) return false;
  for (size_t i = 0; i < a.answers.size() && i < b.answers.size(); ++i) {
    if (a.answers[i].empty() != b.answers[i].empty() || Expected(a.answers[i]).differs(b.answers[i])) return false;
  }
  return !Expected(a.after).differs(b.after);
}

bool answered(const Attempt& attempt) {
  return !attempt.after.empty() || std::any_of(attempt.answers.begin(), attempt.answers.end(),
                                               [](const Bytes& answer) { return !answer.empty(); });
}

class Judge {
 public:
  explicit Judge(const Trials& trials) : t_(trials) {}

  Judgement judge() const {
    for (const auto rule : {&Judge::effect_again, &Judge::crashed, &Judge::no_way, &Judge::likely, &Judge::controls,
                            &Judge::dialogue, &Judge::enough, &Judge::oracle}) {
      if (auto found = (this->*rule)()) return *found;
    }
    return {Verdict::not_vulnerable, Reason::none,
            fmt::format("{} tries reached the trigger and had no effect, where the bait's success rate is {:.2f}",
                        t_.target.size(), success_rate(t_.positive))};
  }

 private:
  using Found = std::optional<Judgement>;
  template <typename... Args>
  static Judgement unclear(Reason reason, fmt::format_string<Args...> words, Args&&... args) {
    return {Verdict::inconclusive, reason, fmt::format(words, std::forward<Args>(args)...)};
  }

  Found effect_again() const {
    for (const Trial& trial : t_.target) {
      if (trial.sign == Sign::none) continue;
      if (trial.sign == Sign::crash)
        return Judgement{Verdict::crashed, Reason::none, "the target's monitor told of the crash that was recorded"};
      // What the harmless twin shows too is no sign.
      const bool proven = trial.sign == Sign::alert || !twin_shows(trial.sign);
      if (proven)
        return Judgement{Verdict::confirmed, Reason::none,
                         fmt::format("the recorded effect happened again ({})", to_string(trial.sign))};
    }
    return std::nullopt;
  }

  bool twin_shows(Sign sign) const {
    const auto shows = [&](const Trial& trial) { return trial.sign == sign; };
    return std::any_of(t_.negative.begin(), t_.negative.end(), shows) ||
           std::any_of(t_.target_negative.begin(), t_.target_negative.end(), shows);
  }

  // The service was there, is gone after the trigger at least twice, and its harmless twin leaves it alive.
  Found crashed() const {
    size_t gone = 0;
    bool dead = false;
    for (const Trial& trial : t_.target) {
      const bool not_there = trial.attempt.ending == Ending::not_connected && dead;
      const bool died = trial.attempt.triggered_ns != 0 && !trial.attempt.alive_after &&
                        (trial.attempt.ending == Ending::reset || trial.attempt.ending == Ending::closed);
      dead = not_there || died;
      gone += dead ? 1 : 0;
    }
    const bool twin_lives =
        !t_.target_negative.empty() && std::all_of(t_.target_negative.begin(), t_.target_negative.end(),
                                                   [](const Trial& trial) { return trial.attempt.alive_after; });
    if (gone < 2 || !twin_lives) return std::nullopt;
    return Judgement{Verdict::crashed, Reason::none,
                     fmt::format("the service was gone after {} of {} tries", gone, t_.target.size())};
  }

  // What keeps any verdict from being reached.
  Found no_way() const {
    const Recording& recording = *t_.recording;
    if (recording.empty()) return unclear(Reason::no_client_bytes, "the client sent nothing in this recording");
    if (t_.stopped) return unclear(Reason::stopped, "the replay was interrupted");
    if (t_.target.empty()) return unclear(Reason::failed, "no attempt was made");
    const auto all = [&](Ending ending) {
      return std::all_of(t_.target.begin(), t_.target.end(),
                         [&](const Trial& trial) { return trial.attempt.ending == ending; });
    };
    if (all(Ending::not_connected)) return unclear(Reason::no_connect, "the target takes no connection");
    if (all(Ending::connect_timeout)) return unclear(Reason::filtered, "the target answers to no attempt to connect");
    for (const Trial& trial : t_.target) {
      if (trial.attempt.ending == Ending::failed) return unclear(Reason::failed, "{}", trial.attempt.lacking);
      if (trial.attempt.ending == Ending::flooded)
        return unclear(Reason::flooded, "the target sent more than is taken of an attempt");
    }
    return std::nullopt;
  }

  // Nobody watches the target, but it does what the bait did, and what the harmless twin does not.
  Found likely() const {
    const std::vector<const Trial*> well = with_sign(t_.positive);
    if (well.empty() || t_.negative.empty()) return std::nullopt;
    const Sides attack = sides_of(well);
    size_t like = 0, unwatched = 0;
    for (const Trial& trial : t_.target) {
      if (trial.attempt.watched || !trial.delivered || trial.diverged_at) continue;
      ++unwatched;
      like += resembles(attack, trial.attempt, t_.negative.front().attempt) ? 1 : 0;
    }
    if (like == 0) return std::nullopt;
    if (2 * like < unwatched)
      return unclear(Reason::unstable, "{} of {} tries looked like the attack", like, unwatched);
    return Judgement{Verdict::likely, Reason::none,
                     fmt::format("{} of {} tries went on as the attack does on the bait, and not as its harmless twin",
                                 like, unwatched)};
  }

  // Somewhere the harmless twin's answer is another, and there the attempt's is the attack's. What only repeats our own
  // bytes tells nothing apart.
  bool resembles(const Sides& attack, const Attempt& attempt, const Attempt& twin) const {
    const auto tells = [&](const Expected& expected, const Bytes& own, const Bytes& of_twin) {
      return expected.without(attempt.sent).differs(of_twin) && !expected.without(attempt.sent).differs(own);
    };
    for (size_t i = 0; i < attack.answers.size() && i < attempt.answers.size() && i < twin.answers.size(); ++i) {
      if (tells(attack.answers[i], attempt.answers[i], twin.answers[i])) return true;
    }
    return tells(attack.after, attempt.after, twin.after);
  }

  Found controls() const {
    if (!t_.no_control.empty()) {
      if (!t_.plan.crypto.empty()) return crypto();
      return unclear(Reason::no_positive_control, "{}", t_.no_control);
    }
    if (successes(t_.positive) == 0) {
      if (!t_.plan.crypto.empty() || crypto_field()) return crypto();
      if (t_.recording->alerts.empty() && t_.effect.marker.empty())
        return unclear(Reason::no_effect_known,
                       "the recording has no alert, and the bait raised none: there is nothing to look for");
      return unclear(Reason::positive_control_failed, "the bait itself showed the effect in none of {} tries",
                     t_.positive.size());
    }
    if (t_.recording->lost_bytes != 0)
      return unclear(Reason::incomplete_recording, "the recording lacks {} bytes", t_.recording->lost_bytes);
    if (t_.negative.empty() || successes(t_.negative) != 0)
      return unclear(Reason::negative_control_failed, "the harmless twin showed the effect too, or there is none");
    if (crypto_field()) return crypto();
    const auto unresolved = t_.plan.unresolved();
    if (!unresolved.empty())
      return unclear(Reason::unresolved_field, "{} bytes of message {} depend on something that was not found",
                     unresolved.front()->place.bytes, unresolved.front()->place.message);
    if (t_.plan.gave_up_looking) return unclear(Reason::unresolved_field, "{}", t_.plan.why);
    return std::nullopt;
  }

  bool crypto_field() const {
    const auto unresolved = t_.plan.unresolved();
    return std::any_of(unresolved.begin(), unresolved.end(),
                       [](const Field* field) { return std::get<Unresolved>(field->what).crypto; });
  }
  Judgement crypto() const {
    return unclear(Reason::crypto, "{}",
                   t_.plan.crypto.empty() ? "a digest keyed with what the server said" : t_.plan.crypto);
  }

  // The dialogue must have been the recorded one up to where the harm is done.
  Found dialogue() const {
    for (const Trial& trial : t_.target) {
      if (resisted(trial.attempt)) continue;
      if (trial.attempt.ending == Ending::lacks_value) return unclear(Reason::diverged, "{}", trial.attempt.lacking);
      if (trial.diverged_at)
        return unclear(Reason::diverged, "message {} of the target is another", *trial.diverged_at);
      if (trial.delivered) continue;
      if (trial.attempt.ending == Ending::timed_out) return unclear(Reason::timeout, "an answer did not come");
      return unclear(Reason::diverged, "the dialogue ended ({}) before the trigger", to_string(trial.attempt.ending));
    }
    return std::nullopt;
  }

  // Memory is corrupted by an early message already, and this target is not: on the bait the attack's bytes, spoilt,
  // end the service by a signal right there; here both the attack and its spoilt twin are answered, in order. What
  // would have followed on the bait was said by the attack's own code, so that no other target can be expected to.
  bool resisted(const Attempt& attempt) const {
    if (t_.negative.empty() || t_.target_negative.empty()) return false;
    const auto on_the_way = [](const Attempt& each) {
      return each.ending != Ending::reset && each.ending != Ending::timed_out && answered(each) && each.alive_after &&
             !each.greeted && !crash_seen(each);
    };
    if (!crashed_by_first(t_.negative.front().attempt)) return false;
    if (!on_the_way(attempt) || attempt.steps_done < 1) return false;
    if (!std::all_of(t_.target_negative.begin(), t_.target_negative.end(),
                     [&](const Trial& trial) { return on_the_way(trial.attempt); }))
      return false;
    const Sides attack = sides_of(with_sign(t_.positive));
    for (size_t i = 0; i < attack.answers.size() && i < attempt.answers.size(); ++i) {
      if (t_.recording->messages[i].direction == Direction::to_client && !attempt.answers[i].empty())
        return attack.answers[i].differs(attempt.answers[i]);
    }
    return false;
  }

  // The service had read no more than the first message, and answered nothing.
  bool crashed_by_first(const Attempt& spoilt) const {
    if (answered(spoilt)) return false;
    const auto first =
        std::find_if(spoilt.sent.begin(), spoilt.sent.end(), [](const Bytes& sent) { return !sent.empty(); });
    return first != spoilt.sent.end() &&
           std::any_of(spoilt.alerts.begin(), spoilt.alerts.end(), [&](const Alert& alert) {
             return alert.crash && alert.stream_offset != 0 && alert.stream_offset <= first->size();
           });
  }

  Found enough() const {
    const uint32_t wanted = tries_for(success_rate(t_.positive));
    if (t_.target.size() < wanted)
      return unclear(Reason::too_few_tries,
                     "{} of {} tries were made that it takes for 99 % at a success rate of {:.2f}", t_.target.size(),
                     wanted, success_rate(t_.positive));
    for (const Trial& trial : t_.target) {
      if (!trial.attempt.alive_after) return unclear(Reason::target_down, "the target takes no connection any more");
      if (crash_seen(trial.attempt))
        return unclear(Reason::other_effect, "the target crashed, in another way than the bait");
      for (const Alert& alert : trial.attempt.alerts)
        return unclear(Reason::other_effect, "the target's monitor told of {}", alert.rule);
    }
    return std::nullopt;
  }

  // Silence means something only where somebody listens, or where the effect can be seen from outside.
  Found oracle() const {
    for (const Trial& trial : t_.target) {
      if (trial.attempt.watched || resisted(trial.attempt) || unmoved(trial.attempt)) continue;
      return unclear(Reason::no_oracle, "no monitor watches the target, and the effect cannot be seen from outside");
    }
    return std::nullopt;
  }

  // Unwatched, it answers the attack as it answers its harmless twin, while on the bait the serving process itself
  // would have become another program: that could have answered nothing.
  bool unmoved(const Attempt& attempt) const {
    if (t_.target_negative.empty() || !answered(attempt)) return false;
    for (const Trial* trial : with_sign(t_.positive)) {
      const Attempt& bait = trial->attempt;
      const auto replaced = [&](const Alert& alert) {
        return alert.syscall.starts_with("execve") && alert.pid != 0 && alert.pid == bait.served_by_pid;
      };
      if (!bait.after.empty() || std::none_of(bait.alerts.begin(), bait.alerts.end(), replaced)) return false;
    }
    return !attempt.after.empty() && same_course(attempt, t_.target_negative.front().attempt);
  }

  const Trials& t_;
};

}  // namespace

std::string_view to_string(Verdict verdict) {
  constexpr std::string_view kNames[] = {"confirmed", "likely", "crashed", "not-vulnerable", "inconclusive"};
  return kNames[static_cast<size_t>(verdict)];
}

std::string to_string(Reason reason) {
  constexpr std::string_view kNames[] = {"",
                                         "NO_CLIENT_BYTES",
                                         "INCOMPLETE_RECORDING",
                                         "NO_EFFECT_KNOWN",
                                         "NO_POSITIVE_CONTROL",
                                         "POSITIVE_CONTROL_FAILED",
                                         "NEGATIVE_CONTROL_FAILED",
                                         "CRYPTO",
                                         "UNRESOLVED_FIELD",
                                         "NO_CONNECT",
                                         "FILTERED",
                                         "DIVERGED",
                                         "TIMEOUT",
                                         "FLOODED",
                                         "NO_ORACLE",
                                         "OTHER_EFFECT",
                                         "TARGET_DOWN",
                                         "UNSTABLE",
                                         "TOO_FEW_TRIES",
                                         "STOPPED",
                                         "FAILED"};
  return std::string(kNames[static_cast<size_t>(reason)]);
}

std::string_view to_string(Sign sign) {
  constexpr std::string_view kNames[] = {"nothing", "alert", "crash", "call-back", "marker"};
  return kNames[static_cast<size_t>(sign)];
}

std::string_view to_string(Part part) {
  constexpr std::string_view kNames[] = {"positive-control", "negative-control", "target", "target-negative-control"};
  return kNames[static_cast<size_t>(part)];
}

Effect effect_of(const Recording& recording, std::string_view marker) {
  Effect effect;
  effect.marker.assign(marker.begin(), marker.end());
  for (const RecordedAlert& recorded : recording.alerts) {
    if (recorded.alert.raises_to() == SessionClass::attack) effect.rules.push_back(recorded.alert.rule);
    effect.crash = effect.crash || recorded.alert.crash;
  }
  effect.crash = effect.crash && effect.rules.empty();
  return effect;
}

Sign sign_of(const Effect& effect, const Attempt& attempt) {
  for (const Alert& alert : attempt.alerts) {
    if (!alert.crash && recorded_rule(effect, alert)) return Sign::alert;
  }
  if (effect.crash && crash_seen(attempt)) return Sign::crash;
  if (!attempt.sink_hits.empty()) return Sign::sink;
  return has_marker(attempt, effect.marker) ? Sign::marker : Sign::none;
}

std::string outcome(const Trial& trial) {
  if (trial.sign != Sign::none) return std::string(to_string(trial.sign));
  if (crash_seen(trial.attempt)) return "other-crash";
  if (!trial.delivered) return std::string(to_string(trial.attempt.ending));
  return trial.diverged_at ? "diverged" : "nothing";
}

uint32_t tries_for(double rate) {
  if (rate >= 1 || rate <= 0) return kTriesLeast;
  return std::max(kTriesLeast, static_cast<uint32_t>(std::ceil(std::log(kMissed) / std::log(1 - rate))));
}

size_t successes(const std::vector<Trial>& trials) {
  return static_cast<size_t>(
      std::count_if(trials.begin(), trials.end(), [](const Trial& trial) { return trial.sign != Sign::none; }));
}

double success_rate(const std::vector<Trial>& trials) {
  if (trials.empty()) return 0;
  return static_cast<double>(successes(trials)) / static_cast<double>(trials.size());
}

Judgement judge(const Trials& trials) {
  return Judge(trials).judge();
}

}  // namespace skep::replay
