#include "proxy/join.h"

#include <gtest/gtest.h>

#include "proxy/ports.h"

namespace skep::proxy {
namespace {

Tuple tuple_of(uint16_t port) {
  Tuple tuple{*parse_endpoint("10.99.0.2:1"), *parse_endpoint("10.99.0.3:8080")};
  tuple.proxy.port = port;
  return tuple;
}

Join::Claim claim_of(uint64_t serial, uint16_t port) {
  Join::Claim claim;
  claim.serial = serial;
  claim.tuple = tuple_of(port);
  claim.alert.confidence = Confidence::exact;
  return claim;
}

constexpr SessionId kA{1000};
constexpr SessionId kB{2000};

TEST(JoinTest, AnnouncementFirstThenFlow) {
  Join join;
  EXPECT_FALSE(join.session_opened(kA, tuple_of(40000), 0));
  const auto bound = join.flow_opened(7, tuple_of(40000), 0);
  ASSERT_TRUE(bound);
  EXPECT_EQ(bound->session, kA);
  const auto delivered = join.alert(claim_of(7, 40000), 0);
  ASSERT_EQ(delivered.size(), 1u);
  EXPECT_EQ(delivered[0].session, kA);
}

TEST(JoinTest, FlowFirstThenAnnouncement) {
  Join join;
  EXPECT_FALSE(join.flow_opened(7, tuple_of(40000), 0));
  EXPECT_EQ(join.session_opened(kA, tuple_of(40000), 0), 7u);
  EXPECT_EQ(join.session_of(7), kA);
}

TEST(JoinTest, AnAlertThatIsFirstOfAllWaitsForItsSession) {
  Join join;
  EXPECT_TRUE(join.alert(claim_of(7, 40000), 0).empty());
  EXPECT_EQ(join.waiting(), 1u);
  EXPECT_EQ(join.session_opened(kA, tuple_of(40000), 0), 7u) << "its tuple stands in for the flow's announcement";
  const auto ready = join.take_ready(1);
  EXPECT_EQ(join.waiting(), 0u);
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].session, kA);
}

TEST(JoinTest, APortUsedAgainDoesNotConfuseTwoSessions) {
  Join join;
  join.session_opened(kA, tuple_of(40000), 0);
  join.flow_opened(7, tuple_of(40000), 0);
  join.session_opened(kB, tuple_of(40000), 0);
  // The daemon that A left behind acts when B is already on its port.
  EXPECT_EQ(join.alert(claim_of(7, 40000), 0)[0].session, kA);
  join.flow_opened(8, tuple_of(40000), 0);
  EXPECT_EQ(join.alert(claim_of(8, 40000), 0)[0].session, kB);
  EXPECT_EQ(join.alert(claim_of(7, 40000), 0)[0].session, kA);
}

TEST(JoinTest, AnAlertThatContradictsItsFlowIsNobodys) {
  Join join;
  join.session_opened(kA, tuple_of(40000), 0);
  join.flow_opened(7, tuple_of(40000), 0);
  EXPECT_TRUE(join.alert(claim_of(7, 40001), 0).empty());
  EXPECT_TRUE(join.take_ready(Join::kPatienceNs * 2).empty());
  EXPECT_EQ(join.counters().alerts_contradictory, 1u);
}

TEST(JoinTest, AFlowOfSomebodyElseIsNeverASessions) {
  Join join;
  join.flow_opened(7, tuple_of(40000), 0);
  join.flow_closed(7);
  EXPECT_FALSE(join.session_opened(kA, tuple_of(40000), 1));
  EXPECT_TRUE(join.alert(claim_of(7, 40000), 2).empty()) << "what its processes do later is not the session's";
  EXPECT_EQ(join.counters().alerts_dropped, 1u);
  EXPECT_EQ(join.flow_opened(8, tuple_of(40000), 3)->session, kA);
}

TEST(JoinTest, AFlowThatMetNoSessionInTimeIsNotTheNextOnes) {
  Join join;
  join.flow_opened(7, tuple_of(40000), 0);
  EXPECT_FALSE(join.session_opened(kA, tuple_of(40000), Join::kPatienceNs + 1));
}

TEST(JoinTest, ALostFlowAnnouncementIsMadeGoodByTheAlert) {
  Join join;
  join.session_opened(kA, tuple_of(40000), 0);
  const auto delivered = join.alert(claim_of(7, 40000), 0);
  ASSERT_EQ(delivered.size(), 1u);
  EXPECT_EQ(delivered[0].session, kA);
}

TEST(JoinTest, AnAlertForASessionThatWasNeverOursIsCountedAndDropped) {
  Join join;
  EXPECT_TRUE(join.alert(claim_of(99, 50000), 0).empty());
  EXPECT_TRUE(join.take_ready(Join::kPatienceNs + 1).empty());
  EXPECT_EQ(join.counters().alerts_dropped, 1u);
}

TEST(JoinTest, ASetOfCandidatesReachesAllOfThemWithoutCertainty) {
  Join join;
  join.session_opened(kA, tuple_of(40000), 0);
  join.session_opened(kB, tuple_of(40001), 0);
  join.flow_opened(7, tuple_of(40000), 0);
  join.flow_opened(8, tuple_of(40001), 0);
  Join::Claim claim;
  claim.candidates = {7, 8, 12345};
  claim.alert.confidence = Confidence::exact;  // a monitor that overstates
  const auto delivered = join.alert(claim, 0);
  ASSERT_EQ(delivered.size(), 2u);
  EXPECT_EQ(delivered[0].alert.confidence, Confidence::none);
}

TEST(JoinTest, WhatOneWroteAndAnotherStartedIsToldToBoth) {
  Join join;
  join.session_opened(kA, tuple_of(40000), 0);
  join.session_opened(kB, tuple_of(40001), 0);
  join.flow_opened(7, tuple_of(40000), 0);
  join.flow_opened(8, tuple_of(40001), 0);
  Join::Claim claim = claim_of(8, 40001);
  claim.writer = {7, tuple_of(40000), Confidence::inherited, 99};
  const auto delivered = join.alert(claim, 0);
  ASSERT_EQ(delivered.size(), 2u);
  EXPECT_EQ(delivered[0].session, kB);
  EXPECT_EQ(delivered[0].alert.role, AlertRole::starter);
  EXPECT_EQ(delivered[0].alert.confidence, Confidence::exact);
  EXPECT_EQ(delivered[1].session, kA);
  EXPECT_EQ(delivered[1].alert.role, AlertRole::writer);
  EXPECT_EQ(delivered[1].alert.confidence, Confidence::inherited);
  EXPECT_EQ(delivered[1].alert.stream_offset, 99u);
}

TEST(JoinTest, AWriterIsToldAlsoWhereTheStarterIsNobodyHere) {
  Join join;
  join.session_opened(kA, tuple_of(40000), 0);
  join.flow_opened(7, tuple_of(40000), 0);
  Join::Claim claim = claim_of(8, 40001);
  claim.writer = {7, tuple_of(40000), Confidence::exact, 0};
  EXPECT_TRUE(join.alert(claim, 0).empty());
  const auto ready = join.take_ready(Join::kPatienceNs + 1);
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].session, kA);
  EXPECT_EQ(ready[0].alert.role, AlertRole::writer);
}

TEST(JoinTest, AWriterWhoseFlowIsAnothersIsNobody) {
  Join join;
  join.session_opened(kA, tuple_of(40000), 0);
  join.session_opened(kB, tuple_of(40001), 0);
  join.flow_opened(7, tuple_of(40000), 0);
  join.flow_opened(8, tuple_of(40001), 0);
  Join::Claim claim = claim_of(8, 40001);
  claim.writer = {7, tuple_of(40002), Confidence::exact, 0};
  EXPECT_EQ(join.alert(claim, 0).size(), 1u);
}

TEST(JoinTest, AMonitorsNewLifeMayUseSerialsAgain) {
  Join join;
  join.session_opened(kA, tuple_of(40000), 0);
  join.flow_opened(1, tuple_of(40000), 0);
  join.session_opened(kB, tuple_of(40001), 0);
  join.flow_opened(1, tuple_of(40001), 0);
  EXPECT_EQ(join.session_of(1), kB);
}

TEST(JoinTest, TellingALiveFlowAgainChangesNothing) {
  Join join;
  join.session_opened(kA, tuple_of(40000), 0);
  EXPECT_TRUE(join.flow_opened(7, tuple_of(40000), 0));
  EXPECT_FALSE(join.flow_opened(7, tuple_of(40000), 0));
  EXPECT_EQ(join.session_of(7), kA);
}

TEST(SourcePortsTest, HoldsAPortBackUntilItsFlowIsBound) {
  SourcePorts ports(40000, 40001);
  EXPECT_EQ(ports.next_free(), 40000);
  ports.taken(40000);
  ports.ended(40000, true, true);
  EXPECT_FALSE(ports.usable(40000));
  ports.bound(40000);
  EXPECT_TRUE(ports.usable(40000));
}

TEST(SourcePortsTest, OrUntilAPingSentAfterTheEndIsAnswered) {
  SourcePorts ports(40000, 40000);
  ports.ping_sent(5);
  ports.taken(40000);
  ports.ended(40000, true, true);
  ports.pong_received(5);
  EXPECT_FALSE(ports.usable(40000)) << "that ping was sent before the end";
  ports.ping_sent(6);
  ports.pong_received(6);
  EXPECT_TRUE(ports.usable(40000));
}

TEST(SourcePortsTest, ABoundLivePortStaysTakenUntilItsEnd) {
  SourcePorts ports(40000, 40000);
  ports.taken(40000);
  ports.bound(40000);
  EXPECT_FALSE(ports.next_free());
  ports.ended(40000, true, true);
  EXPECT_TRUE(ports.next_free());
}

TEST(SourcePortsTest, IsFreeAtOnceWhereItNeverConnected) {
  SourcePorts ports(40000, 40002);
  ports.taken(40000);
  ports.ended(40000, false, true);
  EXPECT_EQ(ports.held(), 0u);
}

TEST(SourcePortsTest, WithoutAMonitorTheOldestAreUsedAgainUnnamed) {
  SourcePorts ports(40000, 40003);
  for (uint16_t port = 40000; port <= 40002; ++port) {
    ports.taken(port);
    ports.ended(port, true, false);
  }
  EXPECT_TRUE(ports.usable(40000)) << "half of the range is held, no more";
  EXPECT_FALSE(ports.names(40000));
  EXPECT_FALSE(ports.usable(40001));
  ports.ping_sent(1);
  ports.pong_received(1);
  EXPECT_FALSE(ports.names(40000)) << "an alert that waits for its confirmation may come after the first answer";
  ports.ping_sent(2);
  ports.pong_received(2);
  EXPECT_TRUE(ports.names(40000));
  EXPECT_TRUE(ports.usable(40001));
}

}  // namespace
}  // namespace skep::proxy
