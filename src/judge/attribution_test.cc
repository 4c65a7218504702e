#include "judge/attribution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skep::judge {
namespace {

skep_flow flow_of(uint64_t serial) {
  skep_flow flow{};
  flow.serial = serial;
  return flow;
}

skep_alert_record alert_of(uint64_t id, skep_label_source source, uint64_t serial) {
  skep_alert_record record{};
  record.id = id;
  record.pid = 100;
  record.parent = 10;
  record.label.source = static_cast<uint8_t>(source);
  record.label.flow = flow_of(serial);
  return record;
}

skep_confirm_record answer_of(uint64_t alert, uint64_t serial) {
  skep_confirm_record record{};
  record.alert = alert;
  record.flow = flow_of(serial);
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

TEST_F(AttributionTest, AnAmbiguousReaderIsConfirmedByItsAnswer) {
  auto record = alert_of(1, SKEP_LABEL_RECV, 7);
  record.label.ambiguous = 1;
  EXPECT_TRUE(attribution_.alert(record, 0).empty());
  const auto decided = attribution_.confirmed(answer_of(1, 7));
  ASSERT_TRUE(decided);
  EXPECT_EQ(decided->confidence, Confidence::confirmed);
}

TEST_F(AttributionTest, AnAnswerElsewhereLeavesASetNotAGuess) {
  auto record = alert_of(1, SKEP_LABEL_RECV, 7);
  record.label.ambiguous = 1;
  attribution_.alert(record, 0);
  const auto decided = attribution_.confirmed(answer_of(1, 8));
  ASSERT_TRUE(decided);
  EXPECT_EQ(decided->flow.serial, 0u);
  EXPECT_THAT(decided->candidates, testing::ElementsAre(7, 8));
}

TEST_F(AttributionTest, APoolWorkersAnswerSaysWhoseWorkItWas) {
  EXPECT_TRUE(attribution_.alert(alert_of(1, SKEP_LABEL_WAKE, 7), 0).empty());
  const auto decided = attribution_.confirmed(answer_of(1, 8));
  ASSERT_TRUE(decided);
  EXPECT_EQ(decided->flow.serial, 8u);
  EXPECT_EQ(decided->confidence, Confidence::confirmed);
}

TEST_F(AttributionTest, AnAnswerToWhatWasReadAfterTheDeedSaysNothing) {
  auto record = alert_of(1, SKEP_LABEL_NONE, 7);  // it had answered 7
  record.head.time_ns = 100;
  attribution_.alert(record, 0);
  auto answer = answer_of(1, 8);
  answer.read_ns = 101;
  const auto decided = attribution_.confirmed(answer);
  ASSERT_TRUE(decided);
  EXPECT_EQ(decided->flow.serial, 7u);
  EXPECT_EQ(decided->confidence, Confidence::handoff);
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
  EXPECT_THAT(decided[0].candidates, testing::ElementsAre(7, 9));
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
  EXPECT_FALSE(attribution_.confirmed(answer_of(5, 7)));
}

}  // namespace
}  // namespace skep::judge
