// What came of a replay, in words and in JSON (design section 10 is the contract). Attackers' bytes come out escaped.
#pragma once

#include <string>

#include "replay/trials.h"

namespace skep::cli {

// To stderr; returns the code.
int replay_complains(const std::string& words, int code = 2);

// An object: one attempt.
std::string trial_json(const replay::Recording& recording, const replay::Trial& trial, unsigned number);
std::string trial_line(const replay::Trial& trial, unsigned number);

// An object: the verdict with all that it rests on.
std::string verdict_json(const replay::Recording& recording, const Endpoint& target, const replay::Trials& trials,
                         const replay::Judgement& judgement);
// Lines for a person.
std::string verdict_text(const replay::Trials& trials, const replay::Judgement& judgement);
// "confirmed", "inconclusive(DIVERGED)".
std::string verdict_word(const replay::Judgement& judgement);
// 0: the attack has effect there; 1: it has not, or nothing can be said.
int exit_code(const replay::Judgement& judgement);

}  // namespace skep::cli
