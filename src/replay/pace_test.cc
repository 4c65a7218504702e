#include "replay/pace.h"

#include <gtest/gtest.h>

#include "replay/dialogue_test_rig.h"

namespace skep::replay {
namespace {

constexpr int64_t kMs = 1'000'000;

class PaceTest : public testing::Test {
 protected:
  PaceTest() {
    options_.answer_timeout_ms = 1000;
    options_.quiet_ms = 100;
    options_.after_ms = 500;
    options_.attempt_ms_max = 10'000;
  }
  // A question at 0, the answer from `begun` to `ended`.
  static Recording answered(int64_t begun_ns, int64_t ended_ns) {
    RecordingBuilder builder("test");
    RecordedConnection connection;
    connection.closed_ns = ended_ns;
    builder.connection(connection);
    builder.piece(0, Direction::to_bait, 0, as_bytes("go"));
    builder.piece(0, Direction::to_client, begun_ns, as_bytes("an"));
    builder.piece(0, Direction::to_client, ended_ns, as_bytes("swer"));
    return builder.take();
  }
  PlayerOptions options_;
};

TEST_F(PaceTest, AnAnswerIsAwaitedTwiceAsLongAsItTook) {
  const Recording quick = answered(1 * kMs, 2 * kMs), slow = answered(2000 * kMs, 3000 * kMs);
  EXPECT_EQ(Pace(quick, options_).patience_ns(1), 1000 * kMs);
  EXPECT_EQ(Pace(slow, options_).patience_ns(1), 6000 * kMs);
  EXPECT_EQ(Pace(slow, options_).patience_ns(0), 1000 * kMs);
}

TEST_F(PaceTest, SilenceEndsAnAnswerLaterWhereItHadPausesOrLacksAValue) {
  const Recording quick = answered(1 * kMs, 2 * kMs), paused = answered(0, 300 * kMs);
  EXPECT_EQ(Pace(quick, options_).quiet_ns(1, 2, false), 100 * kMs);
  EXPECT_EQ(Pace(quick, options_).quiet_ns(1, 2, true), 1000 * kMs);
  EXPECT_EQ(Pace(paused, options_).quiet_ns(1, 2, false), 600 * kMs);
  EXPECT_EQ(Pace(paused, options_).quiet_ns(1, 6, false), 100 * kMs) << "all of it is there";
  EXPECT_EQ(Pace(paused, options_).quiet_ns(1, 2, true), 1000 * kMs) << "never beyond the time for an answer";
}

TEST_F(PaceTest, WhatComesOfTheTriggerIsAwaitedThreeTimesAsLong) {
  Recording recording = answered(1 * kMs, 400 * kMs);
  EXPECT_EQ(Pace(recording, options_).listening_ns(0), 1200 * kMs);
  Alert alert;
  alert.time_ns = 1 * kMs;
  recording.alerts.push_back({alert, 0});
  EXPECT_EQ(Pace(recording, options_).listening_ns(0), 500 * kMs) << "the alert came soon";
  recording.alerts[0].alert.time_ns = -5 * kMs;
  EXPECT_EQ(Pace(recording, options_).listening_ns(0), 500 * kMs) << "the clocks differ";
}

TEST_F(PaceTest, TimesThatCannotBeAreBounded) {
  const Recording recording = answered(INT64_MIN, INT64_MAX);
  const Pace pace(recording, options_);
  EXPECT_EQ(pace.pause_ns(1), 0);
  EXPECT_EQ(pace.patience_ns(1), 20'000 * kMs);
  EXPECT_EQ(pace.quiet_ns(1, 2, false), 1000 * kMs);
  EXPECT_EQ(pace.listening_ns(0), 30'000 * kMs);
  EXPECT_EQ(pace.last_end_ns(), 0);
}

}  // namespace
}  // namespace skep::replay
