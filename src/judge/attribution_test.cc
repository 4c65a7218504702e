#include "judge/attribution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wire/channel.h"

namespace skep::judge {
namespace {

skep_flow flow_of(uint64_t serial) {
  skep_flow flow{};
  flow.serial = serial;
  return flow;
}

constexpr uint32_t kThread = 101;
constexpr uint32_t kTrusted = SKEP_CONDUCT_TRUSTED;

skep_alert_record alert_of(uint64_t id, skep_label_source source, uint64_t serial, uint8_t doubts = 0) {
  skep_alert_record record{};
  record.id = id;
  record.pid = 100;
  record.tid = kThread;
  record.parent = 10;
  record.label.source = static_cast<uint8_t>(source);
  record.label.flow = flow_of(serial);
  record.label.doubts = doubts;
  return record;
}

skep_confirm_record answer_of(uint64_t alert, uint64_t serial, uint32_t conduct = 0) {
  skep_confirm_record record{};
  record.alert = alert;
  record.flow = flow_of(serial);
  record.tid = kThread;
  record.conduct = conduct;
  return record;
}

class AttributionTest : public testing::Test {
 protected:
  Flows flows_;
  Attribution attribution_{flows_};
};

TEST_F(AttributionTest, AThreadThatReadItselfIsExactAtOnce) {
  const auto decided = attribution_.alert(alert_of(1, SKEP_LABEL_RECV, 7), 0);
  ASSERT_EQ(decided.size(), 1u);
  EXPECT_EQ(decided[0].flow.serial, 7u);
  EXPECT_EQ(decided[0].confidence, Confidence::exact);
}

TEST_F(AttributionTest, AChildOfSuchAThreadInherits) {
  auto record = alert_of(1, SKEP_LABEL_FORK, 7);
  record.label.inherited = SKEP_LABEL_RECV;
  const auto decided = attribution_.alert(record, 0);
  ASSERT_EQ(decided.size(), 1u);
  EXPECT_EQ(decided[0].confidence, Confidence::inherited);
}

// What the label says (flow 7), what the thread answers next, and what comes of it.
struct Row {
  const char* description;
  skep_label_source source;
  uint64_t label;
  uint8_t doubts;
  uint64_t answered;  // 0: nobody within the time
  uint32_t conduct;
  Confidence confidence;
  uint64_t flow;                     // 0: a set
  std::vector<uint64_t> candidates;  // its first
};

TEST_F(AttributionTest, WhatDecides) {
  flows_.served(flow_of(7), 100);
  flows_.served(flow_of(8), 100);
  flows_.served(flow_of(9), 100);
  constexpr uint32_t kDisorderly = SKEP_CONDUCT_DISORDERLY | kTrusted;
  const Row rows[] = {
      {"one thread of several, answers what it read",
       SKEP_LABEL_RECV,
       7,
       SKEP_DOUBT_THREADS,
       7,
       0,
       Confidence::confirmed,
       7,
       {}},
      {"one thread of several, answers nobody", SKEP_LABEL_RECV, 7, SKEP_DOUBT_THREADS, 0, 0, Confidence::exact, 7, {}},
      {"one thread of several, answers another",
       SKEP_LABEL_RECV,
       7,
       SKEP_DOUBT_THREADS,
       8,
       0,
       Confidence::none,
       0,
       {8, 7, 9}},
      {"one of several, and meanwhile one answers another's",
       SKEP_LABEL_RECV,
       7,
       SKEP_DOUBT_THREADS,
       7,
       kDisorderly,
       Confidence::none,
       0,
       {7, 9, 8}},
      {"an inline loop that has shown it",
       SKEP_LABEL_RECV,
       7,
       SKEP_DOUBT_READS,
       7,
       kTrusted,
       Confidence::confirmed,
       7,
       {}},
      {"several in hand, nothing shown yet",
       SKEP_LABEL_RECV,
       7,
       SKEP_DOUBT_READS,
       7,
       0,
       Confidence::none,
       0,
       {7, 9, 8}},
      {"a deferring loop", SKEP_LABEL_RECV, 7, SKEP_DOUBT_READS, 8, kDisorderly, Confidence::none, 0, {8, 7, 9}},
      {"several in hand, killed", SKEP_LABEL_RECV, 7, SKEP_DOUBT_READS, 0, kTrusted, Confidence::none, 0, {7, 9, 8}},
      {"coroutines that change threads",
       SKEP_LABEL_RECV,
       7,
       SKEP_DOUBT_CONDUCT,
       7,
       kTrusted,
       Confidence::none,
       0,
       {7, 9, 8}},
      {"a pool's worker answers whom it was woken for", SKEP_LABEL_WAKE, 7, 0, 7, 0, Confidence::confirmed, 7, {}},
      {"a pool's worker was faster than who was woken", SKEP_LABEL_WAKE, 7, 0, 8, 0, Confidence::none, 0, {8, 7}},
      {"a pool's worker answers nobody", SKEP_LABEL_WAKE, 7, 0, 0, 0, Confidence::none, 0, {7, 9, 8}},
      {"a worker that never had a label", SKEP_LABEL_NONE, 0, 0, 8, 0, Confidence::handoff, 8, {}},
      {"a worker between two answers", SKEP_LABEL_NONE, 7, 0, 8, 0, Confidence::none, 0, {8, 7}},
      {"a worker answers the same client again", SKEP_LABEL_NONE, 7, 0, 7, 0, Confidence::handoff, 7, {}},
      {"a worker of a server that interleaves",
       SKEP_LABEL_NONE,
       0,
       SKEP_DOUBT_CONDUCT,
       8,
       0,
       Confidence::none,
       0,
       {8, 9, 7}},
      {"handed over, and answered the same way",
       SKEP_LABEL_HANDED,
       7,
       SKEP_DOUBT_HANDED,
       7,
       kDisorderly,
       Confidence::confirmed,
       7,
       {}},
      {"handed over for sure, no answer", SKEP_LABEL_HANDED, 7, 0, 0, 0, Confidence::handoff, 7, {}},
      {"handed over in doubt, no answer",
       SKEP_LABEL_HANDED,
       7,
       SKEP_DOUBT_HANDED,
       0,
       0,
       Confidence::none,
       0,
       {7, 9, 8}},
      {"handed over, another is answered", SKEP_LABEL_HANDED, 7, 0, 8, 0, Confidence::none, 0, {8, 7, 9}},
  };
  uint64_t id = 0;
  for (const Row& row : rows) {
    ASSERT_TRUE(attribution_.alert(alert_of(++id, row.source, row.label, row.doubts), 0).empty()) << row.description;
    const auto decided = row.answered == 0 ? attribution_.expired(kConfirmWaitNs)
                                           : attribution_.confirmed(answer_of(id, row.answered, row.conduct));
    ASSERT_EQ(decided.size(), 1u) << row.description;
    EXPECT_EQ(decided[0].confidence, row.confidence) << row.description << " " << to_string(decided[0].confidence);
    EXPECT_EQ(decided[0].flow.serial, row.flow) << row.description;
    EXPECT_EQ(decided[0].candidates, row.candidates) << row.description;
  }
}

TEST_F(AttributionTest, OneAnswerSettlesAllThatItsThreadDidBefore) {
  for (uint64_t id = 1; id <= 3; ++id) attribution_.alert(alert_of(id, SKEP_LABEL_WAKE, 7), 0);
  auto of_another_thread = alert_of(2, SKEP_LABEL_WAKE, 7);
  of_another_thread.tid = kThread + 1;
  attribution_.alert(of_another_thread, 0);
  attribution_.alert(alert_of(4, SKEP_LABEL_WAKE, 7), 0);
  const auto decided = attribution_.confirmed(answer_of(3, 7));
  ASSERT_EQ(decided.size(), 3u);
  for (const Attributed& each : decided) EXPECT_EQ(each.confidence, Confidence::confirmed);
}

TEST_F(AttributionTest, AChildsAlertWaitsForTheAnswerOfWhoForkedIt) {
  auto record = alert_of(1, SKEP_LABEL_FORK, 7);
  record.tid = 200;
  record.label.inherited = SKEP_LABEL_HANDED;
  record.label.origin_tid = kThread;
  attribution_.alert(record, 0);
  const auto decided = attribution_.confirmed(answer_of(1, 7));
  ASSERT_EQ(decided.size(), 1u);
  EXPECT_EQ(decided[0].confidence, Confidence::confirmed);
}

TEST_F(AttributionTest, TheSetIsOfTheTimeOfTheDeed) {
  flows_.served(flow_of(7), 100);
  flows_.served(flow_of(8), 100);
  attribution_.alert(alert_of(1, SKEP_LABEL_RECV, 7, SKEP_DOUBT_CONDUCT), 0);
  for (uint64_t serial = 20; serial < 20 + 2 * Flows::kPastMax; ++serial) {
    flows_.served(flow_of(serial), 100);
    flows_.closed(serial);
  }
  flows_.closed(8);
  const auto decided = attribution_.expired(kConfirmWaitNs);
  ASSERT_EQ(decided.size(), 1u);
  EXPECT_THAT(decided[0].candidates, testing::ElementsAre(7, 8));
}

TEST_F(AttributionTest, ASetFitsIntoItsMessageTheLikeliestFirst) {
  for (uint64_t serial = 1; serial <= 2 * kCandidatesMax; ++serial) flows_.served(flow_of(serial), 100);
  attribution_.alert(alert_of(1, SKEP_LABEL_RECV, 7, SKEP_DOUBT_READS), 0);
  const auto decided = attribution_.expired(kConfirmWaitNs);
  ASSERT_EQ(decided.size(), 1u);
  ASSERT_EQ(decided[0].candidates.size(), kCandidatesMax);
  EXPECT_EQ(decided[0].candidates[0], 7u);
  EXPECT_EQ(kCandidatesMax, static_cast<size_t>(wire::kCandidatesMax));
}

TEST_F(AttributionTest, ACrashOfAWorkerWhoseSessionIsNotCertainIsASet) {
  flows_.served(flow_of(7), 100);
  flows_.served(flow_of(8), 100);
  skep_process_record record{};
  record.pid = 100;
  record.label = alert_of(1, SKEP_LABEL_WAKE, 7).label;
  const auto decided = attribution_.crash(record);
  EXPECT_EQ(decided.confidence, Confidence::none);
  EXPECT_THAT(decided.candidates, testing::ElementsAre(7, 8));
}

TEST_F(AttributionTest, AnAnswerToWhatWasReadAfterTheDeedSaysNothing) {
  auto record = alert_of(1, SKEP_LABEL_NONE, 7);  // it had answered 7
  record.head.time_ns = 100;
  attribution_.alert(record, 0);
  auto answer = answer_of(1, 8);
  answer.read_ns = 101;
  const auto decided = attribution_.confirmed(answer);
  ASSERT_EQ(decided.size(), 1u);
  EXPECT_EQ(decided[0].flow.serial, 7u);
  EXPECT_EQ(decided[0].confidence, Confidence::handoff);
}

TEST_F(AttributionTest, WithoutAnAnswerTheOnlyFlowItCanBeIsAHandoff) {
  flows_.served(flow_of(7), 100);
  attribution_.alert(alert_of(1, SKEP_LABEL_WAKE, 7), 0);
  EXPECT_TRUE(attribution_.expired(kConfirmWaitNs - 1).empty());
  const auto decided = attribution_.expired(kConfirmWaitNs);
  ASSERT_EQ(decided.size(), 1u);
  EXPECT_EQ(decided[0].flow.serial, 7u);
  EXPECT_EQ(decided[0].confidence, Confidence::handoff);
}

TEST_F(AttributionTest, WithoutAnAnswerSeveralFlowsAreASet) {
  flows_.served(flow_of(7), 100);
  flows_.served(flow_of(9), 100);
  attribution_.alert(alert_of(1, SKEP_LABEL_NONE, 0), 0);
  const auto decided = attribution_.expired(kConfirmWaitNs);
  ASSERT_EQ(decided.size(), 1u);
  EXPECT_EQ(decided[0].confidence, Confidence::none);
  EXPECT_THAT(decided[0].candidates, testing::UnorderedElementsAre(7, 9));
}

TEST_F(AttributionTest, AThreadThatActsAfterItsAnswerMayMeanWhatItAnswered) {
  flows_.served(flow_of(9), 100);
  attribution_.alert(alert_of(1, SKEP_LABEL_NONE, 7), 0);  // 7 has ended, 9 alone is open
  const auto decided = attribution_.expired(kConfirmWaitNs);
  ASSERT_EQ(decided.size(), 1u);
  EXPECT_EQ(decided[0].confidence, Confidence::none);
  EXPECT_THAT(decided[0].candidates, testing::UnorderedElementsAre(7, 9));
}

TEST_F(AttributionTest, AThreadWithoutALabelMayActForASessionThatHasEnded) {
  flows_.served(flow_of(7), 100);
  flows_.closed(7);
  flows_.served(flow_of(9), 100);
  attribution_.alert(alert_of(1, SKEP_LABEL_NONE, 0), 0);
  const auto decided = attribution_.expired(kConfirmWaitNs);
  ASSERT_EQ(decided.size(), 1u);
  EXPECT_THAT(decided[0].candidates, testing::UnorderedElementsAre(7, 9));
}

TEST_F(AttributionTest, TheOnlyFlowThatAProcessEverServedIsAHandoff) {
  flows_.served(flow_of(7), 100);
  attribution_.alert(alert_of(1, SKEP_LABEL_NONE, 0), 0);
  const auto decided = attribution_.expired(kConfirmWaitNs);
  ASSERT_EQ(decided.size(), 1u);
  EXPECT_EQ(decided[0].flow.serial, 7u);
  EXPECT_EQ(decided[0].confidence, Confidence::handoff);
}

TEST_F(AttributionTest, OneThatHasEndedIsTheWholeFlowAllTheSame) {
  skep_flow flow = flow_of(7);
  flow.remote_port = 40000;
  flows_.served(flow, 100);
  flows_.closed(7);
  attribution_.alert(alert_of(1, SKEP_LABEL_NONE, 0), 0);
  const auto decided = attribution_.expired(kConfirmWaitNs);
  ASSERT_EQ(decided.size(), 1u);
  EXPECT_EQ(decided[0].flow.remote_port, 40000) << "the proxy holds the 4-tuple against the one it knows";
}

TEST_F(AttributionTest, TheBoundDecidesTheOldestEarly) {
  for (uint64_t id = 0; id < kHeldMax; ++id)
    ASSERT_TRUE(attribution_.alert(alert_of(id + 1, SKEP_LABEL_NONE, 0), 0).empty());
  const auto decided = attribution_.alert(alert_of(99999, SKEP_LABEL_NONE, 0), 0);
  ASSERT_EQ(decided.size(), 1u);
  EXPECT_EQ(decided[0].alert.id, 1u);
}

TEST_F(AttributionTest, AnAnswerThatNobodyWaitsForIsLeftAside) {
  EXPECT_TRUE(attribution_.confirmed(answer_of(5, 7)).empty());
}

}  // namespace
}  // namespace skep::judge
