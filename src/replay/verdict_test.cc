#include "replay/verdict.h"

#include <gtest/gtest.h>

#include "replay/test_dialogue.h"

namespace skep::replay {
namespace {

// A dialogue whose last message sets off the alert "shell"; what its target answers then is the marker of the effect.
class VerdictTest : public testing::Test {
 protected:
  VerdictTest() {
    trials_.recording = &recording_;
    trials_.plan = plan_as_recorded(recording_);
    trials_.effect = effect_of(recording_, {});
    for (int i = 0; i < 3; ++i) add(trials_.positive, Part::positive, attacked());
    add(trials_.negative, Part::negative, answered("no such file"));
    add(trials_.target_negative, Part::target_negative, answered("no such file"));
    for (int i = 0; i < 3; ++i) add(trials_.target, Part::target, watched(answered("no such file")));
  }

  Attempt answered(const std::string& last) const {
    Attempt attempt = attempt_as_recorded(recording_);
    attempt.answers[4] = bytes_of(last);
    attempt.after = attempt.answers[4];
    return attempt;
  }
  Attempt attacked() const {
    Attempt attempt = watched(answered(""));
    attempt.served_by_pid = 77;
    Alert alert = alert_named("shell");
    alert.syscall = "execve";
    alert.pid = 77;
    attempt.alerts.push_back(alert);
    return attempt;
  }
  static Attempt watched(Attempt attempt) {
    attempt.watched = true;
    return attempt;
  }
  static Attempt unwatched(Attempt attempt) {
    attempt.watched = false;
    return attempt;
  }
  void add(std::vector<Trial>& to, Part part, Attempt attempt) {
    Trial trial;
    trial.part = part;
    trial.sign = sign_of(trials_.effect, attempt);
    trial.delivered = attempt.triggered_ns != 0;
    trial.attempt = std::move(attempt);
    to.push_back(std::move(trial));
  }
  void target(const std::vector<Attempt>& attempts) {
    trials_.target.clear();
    for (const Attempt& each : attempts) add(trials_.target, Part::target, each);
  }
  std::string verdict() const {
    const Judgement judgement = judge(trials_);
    EXPECT_FALSE(judgement.words.empty());
    return std::string(to_string(judgement.verdict)) + " " + to_string(judgement.reason);
  }

  const Recording recording_ = dialogue({"<220 hello", ">USER x", "<331 go on", ">SITE EXEC /bin/sh", "<root"}, 3);
  Trials trials_;
};

TEST_F(VerdictTest, AllThatCouldSpeakAgainstItWasLookedAt) {
  EXPECT_EQ(verdict(), "not-vulnerable ");
}

TEST_F(VerdictTest, TheSameAlertConfirms) {
  target({watched(answered("no such file")), attacked()});
  EXPECT_EQ(verdict(), "confirmed ");
}

// Each takes one thing away of what `not-vulnerable` stands on.
TEST_F(VerdictTest, WithoutAPositiveControlNothingReassures) {
  trials_.positive.clear();
  trials_.no_control = "no bait is known";
  EXPECT_EQ(verdict(), "inconclusive NO_POSITIVE_CONTROL");
}

TEST_F(VerdictTest, APositiveControlThatFailedIsNone) {
  for (Trial& each : trials_.positive) each.sign = Sign::none;
  EXPECT_EQ(verdict(), "inconclusive POSITIVE_CONTROL_FAILED");
}

TEST_F(VerdictTest, ATwinThatAttacksTooProvesNothing) {
  trials_.negative.front().sign = Sign::alert;
  EXPECT_EQ(verdict(), "inconclusive NEGATIVE_CONTROL_FAILED");
  trials_.negative.clear();
  EXPECT_EQ(verdict(), "inconclusive NEGATIVE_CONTROL_FAILED");
}

TEST_F(VerdictTest, AFieldThatWasNotFoundKeepsItOpen) {
  trials_.plan.fields.push_back({{1, 5, 1}, Unresolved{}, ""});
  EXPECT_EQ(verdict(), "inconclusive UNRESOLVED_FIELD");
  trials_.plan.fields.back() = {{1, 5, 1}, Unresolved{true}, ""};
  EXPECT_EQ(verdict(), "inconclusive CRYPTO");
}

TEST_F(VerdictTest, CryptographyThatTheBaitDoesNotTakeAgainIsNamed) {
  trials_.plan.crypto = "TLS";
  for (Trial& each : trials_.positive) each.sign = Sign::none;
  EXPECT_EQ(verdict(), "inconclusive CRYPTO");
}

TEST_F(VerdictTest, AnotherDialogueIsNoTest) {
  trials_.target.front().diverged_at = 2;
  EXPECT_EQ(verdict(), "inconclusive DIVERGED");
}

TEST_F(VerdictTest, ATriggerThatWasNotDeliveredIsNoTest) {
  Attempt attempt = watched(answered(""));
  attempt.triggered_ns = 0;
  attempt.ending = Ending::timed_out;
  target({attempt, attempt, attempt});
  EXPECT_EQ(verdict(), "inconclusive TIMEOUT");
  attempt.ending = Ending::reset;
  target({attempt, attempt, attempt});
  EXPECT_EQ(verdict(), "inconclusive DIVERGED");
}

TEST_F(VerdictTest, WhoCannotBeReachedIsNotSafe) {
  Attempt attempt = answered("");
  attempt.triggered_ns = 0;
  attempt.ending = Ending::not_connected;
  target({attempt, attempt, attempt});
  EXPECT_EQ(verdict(), "inconclusive NO_CONNECT");
  attempt.ending = Ending::connect_timeout;
  target({attempt, attempt, attempt});
  EXPECT_EQ(verdict(), "inconclusive FILTERED");
  attempt.ending = Ending::flooded;
  target({attempt});
  EXPECT_EQ(verdict(), "inconclusive FLOODED");
}

TEST_F(VerdictTest, WhereNobodyListensSilenceMeansNothing) {
  const Attempt silent = unwatched(answered("fine"));
  target({silent, silent, silent});
  EXPECT_EQ(verdict(), "inconclusive NO_ORACLE");
}

// The attack would have made another program of the serving process, which could have answered nothing.
TEST_F(VerdictTest, AnAnswerLikeTheTwinsOfAProcessThatWouldHaveBeenReplaced) {
  const Attempt moved_on = unwatched(answered("no such file"));
  target({moved_on, moved_on, moved_on});
  EXPECT_EQ(verdict(), "not-vulnerable ");
  // In a child of it: it would have answered all the same.
  for (Trial& each : trials_.positive) each.attempt.alerts.front().pid = 78;
  EXPECT_EQ(verdict(), "inconclusive NO_ORACLE");
}

TEST_F(VerdictTest, TooFewTriesForTheRateOfTheBait) {
  add(trials_.positive, Part::positive, watched(answered("")));
  add(trials_.positive, Part::positive, watched(answered("")));
  add(trials_.positive, Part::positive, watched(answered("")));
  EXPECT_EQ(tries_for(success_rate(trials_.positive)), 7u);
  EXPECT_EQ(verdict(), "inconclusive TOO_FEW_TRIES");
  target(std::vector<Attempt>(7, watched(answered("no such file"))));
  EXPECT_EQ(verdict(), "not-vulnerable ");
}

TEST_F(VerdictTest, TheTriesThatMakeNinetyNinePercent) {
  EXPECT_EQ(tries_for(1), 3u);
  EXPECT_EQ(tries_for(0.5), 7u);
  EXPECT_EQ(tries_for(0.3), 13u);
  EXPECT_EQ(tries_for(0.1), 44u);
}

TEST_F(VerdictTest, ATargetThatIsGoneOrComplainsIsNotSafe) {
  trials_.target.back().attempt.alive_after = false;
  EXPECT_EQ(verdict(), "inconclusive TARGET_DOWN");
  trials_.target.back().attempt.alive_after = true;
  trials_.target.back().attempt.alerts.push_back(alert_named("another"));
  EXPECT_EQ(verdict(), "inconclusive OTHER_EFFECT");
}

TEST_F(VerdictTest, AServiceThatIsGoneTwiceAfterTheTriggerCrashed) {
  Attempt died = unwatched(answered(""));
  died.ending = Ending::reset;
  died.alive_after = false;
  Attempt refused = died;
  refused.ending = Ending::not_connected;
  refused.triggered_ns = 0;
  target({died, refused});
  EXPECT_EQ(verdict(), "crashed ");
  trials_.target_negative.front().attempt.alive_after = false;  // its twin did the same
  EXPECT_NE(verdict(), "crashed ");
}

TEST_F(VerdictTest, ARecordedCrashThatHappensAgainIsOne) {
  Recording recording = recording_;
  recording.alerts.front().alert = alert_named("crash", true);
  trials_.recording = &recording;
  trials_.effect = effect_of(recording, {});
  Attempt crash = watched(answered(""));
  crash.alerts.push_back(alert_named("crash", true));
  target({crash});
  EXPECT_EQ(verdict(), "crashed ");
}

TEST_F(VerdictTest, UnwatchedItGoesOnLikeTheAttackAndNotLikeItsTwin) {
  for (Trial& each : trials_.positive) each.attempt.after = each.attempt.answers[4] = bytes_of("uid 0 root");
  const Attempt alike = unwatched(answered("uid 0 root"));
  target({alike, alike, alike});
  EXPECT_EQ(verdict(), "likely ");
  target({alike, unwatched(answered("fine")), unwatched(answered("fine"))});
  EXPECT_EQ(verdict(), "inconclusive UNSTABLE");
  // What only repeats our own bytes tells nothing.
  for (Trial& each : trials_.positive) each.attempt.after = each.attempt.answers[4] = bytes_of("EXEC bin sh");
  const Attempt repeats = unwatched(answered("EXEC bin sh"));
  target({repeats, repeats, repeats});
  EXPECT_EQ(verdict(), "inconclusive NO_ORACLE");
}

TEST_F(VerdictTest, AMarkerAndACallBackConfirmWhereTheTwinHasNone) {
  trials_.effect.marker = bytes_of("TAKEN");
  target({unwatched(answered("TAKEN"))});
  EXPECT_EQ(verdict(), "confirmed ");
  add(trials_.target_negative, Part::target_negative, answered("TAKEN"));
  EXPECT_NE(verdict(), "confirmed ");
  Attempt called = unwatched(answered("no such file"));
  called.sink_hits.push_back({});
  target({called});
  EXPECT_EQ(verdict(), "confirmed ");
}

TEST_F(VerdictTest, OurOwnMarkerSentBackIsNone) {
  trials_.effect.marker = bytes_of("EXEC");
  target({unwatched(answered("you said EXEC"))});
  EXPECT_NE(verdict(), "confirmed ");
}

TEST_F(VerdictTest, ARecordingWithNothingOrWithHolesIsSaidToBeSo) {
  Recording holes = recording_;
  holes.lost_bytes = 7;
  trials_.recording = &holes;
  EXPECT_EQ(verdict(), "inconclusive INCOMPLETE_RECORDING");
  const Recording empty = dialogue({"<hello"});
  trials_.recording = &empty;
  EXPECT_EQ(verdict(), "inconclusive NO_CLIENT_BYTES");
}

// The first message already corrupts memory; "MARK" is said by the attack's own code.
class OverflowTest : public VerdictTest {
 protected:
  OverflowTest() {
    trials_.recording = &overflow_;
    trials_.plan = plan_as_recorded(overflow_);
    trials_.positive.clear();
    for (int i = 0; i < 3; ++i) add(trials_.positive, Part::positive, attack());
    trials_.negative.clear();
    add(trials_.negative, Part::negative, crash());
    trials_.target_negative.clear();
    add(trials_.target_negative, Part::target_negative, orderly());
    trials_.target.clear();
    for (int i = 0; i < 3; ++i) aim(orderly());
  }
  void aim(Attempt attempt) {
    add(trials_.target, Part::target, std::move(attempt));
    trials_.target.back().diverged_at = 1;
  }
  Attempt attack() const {
    Attempt attempt = watched(attempt_as_recorded(overflow_));
    attempt.alerts.push_back(alert_named("shell"));
    return attempt;
  }
  Attempt first_step_alone() const {
    Attempt attempt = attempt_as_recorded(overflow_);
    attempt.answers[1].clear();
    attempt.sent[2].clear();
    attempt.triggered_ns = 0;
    attempt.steps_done = 1;
    return attempt;
  }
  Attempt crash() const {
    Attempt attempt = watched(first_step_alone());
    attempt.alerts.push_back(alert_named("crash", true));
    attempt.alerts.back().stream_offset = overflow_.messages[0].bytes.size();
    return attempt;
  }
  Attempt orderly() const {
    Attempt attempt = first_step_alone();
    attempt.answers[1] = bytes_of("HTTP/1.0 400 Bad Request");
    return attempt;
  }
  const Recording overflow_ = dialogue({">POST AAAAJUMPcode", "<MARK", ">\n"}, 2);
};

TEST_F(OverflowTest, WhoAnswersTheOverflowAndItsSpoiltTwinInOrderIsNotVulnerable) {
  EXPECT_EQ(verdict(), "not-vulnerable ");
}

TEST_F(OverflowTest, WhoAnswersNothingMayHaveCrashed) {
  trials_.target.clear();
  for (int i = 0; i < 3; ++i) aim(first_step_alone());
  EXPECT_EQ(verdict(), "inconclusive DIVERGED");
}

TEST_F(OverflowTest, WhoseTwinIsNotAnsweredMayBeCorruptedToo) {
  trials_.target_negative.front().attempt = first_step_alone();
  EXPECT_EQ(verdict(), "inconclusive DIVERGED");
}

TEST_F(OverflowTest, WhereTheBaitDoesNotCrashTheFirstMessageIsNotKnownToDoTheHarm) {
  trials_.negative.front().attempt.alerts.clear();
  EXPECT_EQ(verdict(), "inconclusive DIVERGED");
}

TEST_F(OverflowTest, AServiceThatSpeaksFirstIsAnother) {
  for (Trial& each : trials_.target) each.attempt.greeted = true;
  EXPECT_EQ(verdict(), "inconclusive DIVERGED");
}

TEST_F(OverflowTest, NorWhereTheBaitHadReadMoreByThen) {
  trials_.negative.front().attempt.alerts.front().stream_offset += 1;
  EXPECT_EQ(verdict(), "inconclusive DIVERGED");
}

}  // namespace
}  // namespace skep::replay
