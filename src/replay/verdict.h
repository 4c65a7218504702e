// The verdict over attempts and their controls. Never wrongly reassuring: `not_vulnerable` is said only where
// everything that could speak against it was looked at. Pure; any thread. What each reason means:
// docs/reference/replay.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "replay/neutralise.h"
#include "replay/player.h"

namespace skep::replay {

enum class Verdict : uint8_t { confirmed, likely, crashed, not_vulnerable, inconclusive };
enum class Reason : uint8_t {
  none,
  no_client_bytes,
  incomplete_recording,
  no_effect_known,
  no_positive_control,
  positive_control_failed,
  negative_control_failed,
  crypto,
  unresolved_field,
  no_connect,
  filtered,
  diverged,
  timeout,
  flooded,
  no_oracle,
  other_effect,
  target_down,
  unstable,
  too_few_tries,
  stopped,
  failed,
};
std::string_view to_string(Verdict verdict);  // "confirmed" … "not-vulnerable"
std::string to_string(Reason reason);         // "DIVERGED"; "" for none

// What an attack is recognised by when it happens again.
struct Effect {
  std::vector<std::string> rules;  // of the recorded alerts, crashes aside; empty: any alert that means an attack
  bool crash = false;              // what was recorded is a crash, and no more
  Bytes marker;                    // in an answer; empty: none was given
};
Effect effect_of(const Recording& recording, std::string_view marker);

enum class Sign : uint8_t { none, alert, crash, sink, marker };
std::string_view to_string(Sign sign);
// The strongest one that the attempt shows.
Sign sign_of(const Effect& effect, const Attempt& attempt);

enum class Part : uint8_t { positive, negative, target, target_negative };
std::string_view to_string(Part part);

// One attempt, and what it shows.
struct Trial {
  Part part = Part::target;
  Attempt attempt;
  Sign sign = Sign::none;
  bool delivered = false;               // all up to the trigger was sent
  std::optional<uint32_t> diverged_at;  // index of the server's message before the trigger, where it was another
};
// A word: the sign's, or "nothing", "diverged", or how the attempt ended.
std::string outcome(const Trial& trial);

// All that a verdict rests on.
struct Trials {
  const Recording* recording = nullptr;
  Plan plan;
  Effect effect;
  std::string no_control;                 // why there is no positive control; empty: there is one
  Harmless harmless = Harmless::without;  // of the negative controls
  std::vector<Trial> positive, negative, target_negative, target;
  bool stopped = false;  // by a signal
};

// Tries after which a target that is vulnerable would have shown it with 99 %, where a try succeeds with `rate`; at
// least three.
uint32_t tries_for(double rate);
// That show the effect.
size_t successes(const std::vector<Trial>& trials);
double success_rate(const std::vector<Trial>& trials);

struct Judgement {
  Verdict verdict = Verdict::inconclusive;
  Reason reason = Reason::none;
  std::string words;  // for a person
};
Judgement judge(const Trials& trials);

}  // namespace skep::replay
