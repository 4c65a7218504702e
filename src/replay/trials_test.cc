#include "replay/trials.h"

#include <gtest/gtest.h>

#include <map>

#include "replay/test_dialogue.h"

namespace skep::replay {
namespace {

const Endpoint kBait = *parse_endpoint("10.99.0.3:8080");
const Endpoint kTarget = *parse_endpoint("10.99.0.3:9090");

// Systems that are played against, by address: whether an attempt has the effect there.
class Ground {
 public:
  using Takes = std::function<bool(const std::string& sent, Rung rung, unsigned attempt)>;
  std::map<Endpoint, Takes> systems;
  std::map<std::pair<Endpoint, Rung>, unsigned> made;
  std::vector<Part> told;

  Attempts attempts() {
    return {[this](const Recording& recording, const Plan& plan, const Endpoint& target) {
              const unsigned number = made[{target, plan.rung}]++;
              Attempt attempt = attempt_as_recorded(recording, to_string(target));
              attempt.watched = true;
              std::string sent;
              for (const Bytes& each : attempt.sent) sent += as_text(each);
              if (systems.at(target)(sent, plan.rung, number)) attempt.alerts.push_back(alert_named("shell"));
              return attempt;
            },
            [this](const Trial& trial, const Plan&) { told.push_back(trial.part); }};
  }
};

bool evil(const std::string& sent) {
  return sent.find("EVIL") != std::string::npos;
}

class TrialsTest : public testing::Test {
 protected:
  TrialsTest() {
    experiment_.recording = &recording_;
    experiment_.rungs = {Rung::two_recordings, Rung::echoes, Rung::as_recorded};
    experiment_.bait = kBait;
    experiment_.target = kTarget;
    ground_.systems[kBait] = [](const std::string& sent, Rung, unsigned) { return evil(sent); };
    ground_.systems[kTarget] = [](const std::string&, Rung, unsigned) { return false; };
  }
  // There an answer does not come after so many steps.
  Attempts silent_at(const Endpoint& where, uint32_t steps) {
    Attempts attempts = ground_.attempts();
    attempts.play = [=, play = attempts.play](const Recording& recording, const Plan& plan, const Endpoint& target) {
      Attempt attempt = play(recording, plan, target);
      if (target != where) return attempt;
      attempt.alerts.clear();
      attempt.steps_done = steps;
      attempt.triggered_ns = 0;
      attempt.ending = Ending::timed_out;
      return attempt;
    };
    return attempts;
  }
  Trials run_it() { return run(experiment_, ground_.attempts(), stop_); }
  static std::string verdict(const Trials& trials) {
    const Judgement judgement = judge(trials);
    return std::string(to_string(judgement.verdict)) + " " + to_string(judgement.reason);
  }

  const Recording recording_ = dialogue({"<220 hi", ">NAME joe", "<331 ok", ">CALL EVIL", "<done"}, 3);
  Experiment experiment_;
  Ground ground_;
  std::atomic<bool> stop_{false};
};

TEST_F(TrialsTest, ControlsComeFirstAndTheTargetIsTriedAsOftenAsItTakes) {
  const Trials trials = run_it();
  EXPECT_EQ(verdict(trials), "not-vulnerable ");
  EXPECT_EQ(trials.positive.size(), 3u);
  EXPECT_EQ(trials.negative.size(), 2u);
  EXPECT_EQ(trials.target_negative.size(), 1u);
  EXPECT_EQ(trials.target.size(), 3u);
  EXPECT_EQ(ground_.told.front(), Part::positive);
  EXPECT_EQ(ground_.told.back(), Part::target);
}

TEST_F(TrialsTest, ATargetThatHasItIsConfirmed) {
  ground_.systems[kTarget] = [](const std::string& sent, Rung, unsigned) { return evil(sent); };
  EXPECT_EQ(verdict(run_it()), "confirmed ");
}

TEST_F(TrialsTest, TheLadderIsClimbedDownUntilTheBaitShowsTheEffect) {
  ground_.systems[kBait] = [](const std::string& sent, Rung rung, unsigned) {
    return rung == Rung::as_recorded && evil(sent);
  };
  const Trials trials = run_it();
  EXPECT_EQ(trials.plan.rung, Rung::as_recorded);
  EXPECT_EQ(verdict(trials), "not-vulnerable ");
  EXPECT_EQ((ground_.made[{kBait, Rung::echoes}]), 2u);
}

TEST_F(TrialsTest, AnAttackThatSucceedsNowAndThenIsTriedUntilItsRateIsKnown) {
  ground_.systems[kBait] = [](const std::string& sent, Rung, unsigned attempt) {
    return evil(sent) && attempt % 4 == 3;
  };
  const Trials trials = run_it();
  EXPECT_NEAR(success_rate(trials.positive), 0.25, 0.1);
  EXPECT_EQ(trials.target.size(), tries_for(success_rate(trials.positive)));
  EXPECT_EQ(verdict(trials), "not-vulnerable ");
}

TEST_F(TrialsTest, ATargetToWhichNothingCouldBeSaidIsNotTriedAgain) {
  const Trials trials = run(experiment_, silent_at(kTarget, 0), stop_);
  EXPECT_EQ(trials.target.size(), 1u);
  EXPECT_EQ(verdict(trials), "inconclusive TIMEOUT");
}

TEST_F(TrialsTest, WhoLeavesAnAnswerOutAgainAndAgainIsNotAskedForEver) {
  ground_.systems[kBait] = [](const std::string& sent, Rung, unsigned attempt) {
    return evil(sent) && attempt % 4 == 3;
  };
  const Trials trials = run(experiment_, silent_at(kTarget, 1), stop_);
  EXPECT_EQ(trials.target.size(), 3u);
  EXPECT_EQ(verdict(trials), "inconclusive TIMEOUT");
  const Trials at_bait = run(experiment_, silent_at(kBait, 1), stop_);
  EXPECT_EQ(at_bait.positive.size(), 3u);
  EXPECT_EQ(verdict(at_bait), "inconclusive POSITIVE_CONTROL_FAILED");
}

TEST_F(TrialsTest, WhatTheBaitShowedForOneTargetHoldsForTheNext) {
  const Trials first = run_it();
  ground_.told.clear();
  experiment_.controls = &first;
  const Trials second = run_it();
  EXPECT_EQ(verdict(second), "not-vulnerable ");
  EXPECT_EQ(second.positive.size(), first.positive.size());
  EXPECT_EQ(second.harmless, first.harmless);
  EXPECT_EQ(ground_.told, (std::vector<Part>{Part::target_negative, Part::target, Part::target, Part::target}));
}

TEST_F(TrialsTest, FewerTriesThanItTakesAreNotEnough) {
  ground_.systems[kBait] = [](const std::string& sent, Rung, unsigned attempt) {
    return evil(sent) && attempt % 2 == 1;
  };
  experiment_.tries = 2;
  EXPECT_EQ(verdict(run_it()), "inconclusive TOO_FEW_TRIES");
}

TEST_F(TrialsTest, MoreIsMadeHarmlessUntilTheBaitIsSilent) {
  // It is the digits that do it: letters made harmless change nothing.
  const Recording recording = dialogue({">CALL 31337"}, 0);
  experiment_.recording = &recording;
  ground_.systems[kBait] = [](const std::string& sent, Rung, unsigned) {
    return sent.find("31337") != std::string::npos;
  };
  const Trials trials = run_it();
  EXPECT_EQ(trials.harmless, Harmless::without);
  EXPECT_EQ(verdict(trials), "not-vulnerable ");
}

TEST_F(TrialsTest, WhatMinimisingFoundIsMadeHarmlessFirst) {
  experiment_.needed = {{3, 5, 4}};
  const Trials trials = run_it();
  EXPECT_EQ(trials.harmless, Harmless::needed);
}

TEST_F(TrialsTest, TheBaitAsTargetIsItsOwnControl) {
  experiment_.target = kBait;
  experiment_.tries = 5;
  const Trials trials = run_it();
  EXPECT_EQ(verdict(trials), "confirmed ");
  EXPECT_EQ(trials.target.size(), 5u);
  EXPECT_EQ((ground_.made[{kTarget, Rung::echoes}]), 0u);
}

TEST_F(TrialsTest, WithoutABaitEveryRungIsTried) {
  experiment_.bait.reset();
  experiment_.no_bait_because = "no bait is known";
  EXPECT_EQ(verdict(run_it()), "inconclusive NO_POSITIVE_CONTROL");
  EXPECT_GT((ground_.made[{kTarget, Rung::as_recorded}]), 0u);
  ground_.systems[kTarget] = [](const std::string&, Rung rung, unsigned) { return rung == Rung::as_recorded; };
  EXPECT_EQ(verdict(run_it()), "confirmed ");
}

TEST_F(TrialsTest, NothingIsSentOfARecordingWithoutClientBytes) {
  const Recording empty = dialogue({"<hello"});
  experiment_.recording = &empty;
  EXPECT_EQ(verdict(run_it()), "inconclusive NO_CLIENT_BYTES");
  EXPECT_TRUE(ground_.told.empty());
}

TEST_F(TrialsTest, WhoIsToldToStopStops) {
  stop_ = true;
  EXPECT_EQ(verdict(run_it()), "inconclusive STOPPED");
  EXPECT_TRUE(ground_.told.size() < 2);
}

// Shapes of the harmless twin.
TEST(NeutralisedTest, LengthsLinesAndNamesStay) {
  const Recording recording =
      dialogue({">POST /run?x=/bin/sh HTTP/1.0\r\nHost: me\r\nContent-Length: 12\r\n\r\ncmd=;touch /"}, 0);
  const Plan plan = plan_as_recorded(recording);
  const auto twin = neutralised(recording, plan, Harmless::trigger, {});
  ASSERT_TRUE(twin);
  const std::string_view before = as_text(recording.messages[0].bytes), after = as_text(twin->messages[0].bytes);
  EXPECT_EQ(after.size(), before.size());
  EXPECT_TRUE(after.starts_with("POST "));
  EXPECT_NE(after.find("\r\nHost: "), std::string_view::npos);
  EXPECT_NE(after.find("12\r\n\r\n"), std::string_view::npos);
  EXPECT_EQ(after.find("/bin/sh"), std::string_view::npos);
  EXPECT_EQ(after.find(";touch"), std::string_view::npos);
}

TEST(NeutralisedTest, FieldsStay) {
  const Recording recording = dialogue({"<token abcd1234", ">SET abcd1234 value"}, 1);
  Plan plan = plan_as_recorded(recording);
  plan.fields.push_back({{1, 4, 8}, Chosen{}, ""});
  const auto twin = neutralised(recording, plan, Harmless::all, {});
  ASSERT_TRUE(twin);
  EXPECT_TRUE(as_text(twin->messages[1].bytes).starts_with("SET abcd1234 "));
  EXPECT_EQ(as_text(twin->messages[1].bytes).find("value"), std::string_view::npos);
}

TEST(NeutralisedTest, WhereThereIsNothingToChangeThereIsNoTwin) {
  const Recording recording = dialogue({">\n"}, 0);
  EXPECT_FALSE(neutralised(recording, plan_as_recorded(recording), Harmless::trigger, {}));
  EXPECT_TRUE(neutralised(recording, plan_as_recorded(recording), Harmless::without, {}));
}

}  // namespace
}  // namespace skep::replay
