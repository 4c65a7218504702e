#include "proxy/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skep::proxy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SessionTest : public testing::Test {
 protected:
  Session session_{100};
};

TEST_F(SessionTest, PassesAHalfCloseOnAndStaysOpenTheOtherWay) {
  session_.connected();
  EXPECT_THAT(session_.finished(Side::client), ElementsAre(Command::finish_bait));
  EXPECT_EQ(session_.phase(), Phase::relaying);
  EXPECT_TRUE(session_.wants_read(Side::bait));
  EXPECT_THAT(session_.finished(Side::bait), ElementsAre(Command::finish_client, Command::close));
  EXPECT_EQ(session_.end_reason(), EndReason::client_closed);
}

TEST_F(SessionTest, SendsFinOnlyBehindTheLastByte) {
  session_.connected();
  session_.received(Side::bait, 10);
  EXPECT_THAT(session_.finished(Side::bait), IsEmpty());
  EXPECT_THAT(session_.forwarded(Side::client, 4), IsEmpty());
  EXPECT_THAT(session_.forwarded(Side::client, 6), ElementsAre(Command::finish_client));
  EXPECT_EQ(session_.end_reason(), EndReason::server_closed);
}

TEST_F(SessionTest, KeepsAResetAReset) {
  session_.connected();
  EXPECT_THAT(session_.was_reset(Side::client), ElementsAre(Command::reset_bait, Command::close));
  EXPECT_EQ(session_.end_reason(), EndReason::reset_by_client);
  Session second(100);
  second.connected();
  EXPECT_THAT(second.was_reset(Side::bait), ElementsAre(Command::reset_client, Command::close));
}

TEST_F(SessionTest, ARefusedBaitResetsTheAttacker) {
  EXPECT_THAT(session_.connect_failed(true), ElementsAre(Command::reset_client, Command::close));
  EXPECT_EQ(session_.end_reason(), EndReason::bait_refused);
}

TEST_F(SessionTest, ReadsNoMoreWhileBytesWaitForTheOtherSide) {
  session_.connected();
  session_.received(Side::client, 60);
  EXPECT_FALSE(session_.wants_read(Side::client));
  EXPECT_TRUE(session_.wants_read(Side::bait)) << "the other direction is not held up";
  session_.forwarded(Side::bait, 50);
  EXPECT_FALSE(session_.wants_read(Side::client));
  session_.forwarded(Side::bait, 10);
  EXPECT_TRUE(session_.wants_read(Side::client));
}

TEST_F(SessionTest, WhatIsHeldWaitsAndMoreIsRead) {
  session_.connected();
  session_.received(Side::client, 30);
  EXPECT_THAT(session_.hold(20), IsEmpty());
  EXPECT_TRUE(session_.wants_write(Side::bait));
  EXPECT_FALSE(session_.wants_read(Side::client)) << "ten of them have to go first";
  EXPECT_THAT(session_.forwarded(Side::bait, 10), IsEmpty());
  EXPECT_FALSE(session_.wants_write(Side::bait));
  EXPECT_TRUE(session_.wants_read(Side::client));
  session_.received(Side::client, 80);
  session_.hold(100);
  EXPECT_FALSE(session_.wants_read(Side::client)) << "no more than the buffer";
  EXPECT_THAT(session_.finished(Side::client), IsEmpty()) << "the end comes behind what is held";
  EXPECT_THAT(session_.hold(0), IsEmpty());
  EXPECT_THAT(session_.forwarded(Side::bait, 100), ElementsAre(Command::finish_bait));
}

TEST_F(SessionTest, ASuppressedOneEndsAsFilteredWithAResetOrQuietly) {
  session_.connected();
  session_.received(Side::client, 30);
  EXPECT_THAT(session_.suppressed(false), ElementsAre(Command::reset_client, Command::reset_bait, Command::close));
  EXPECT_EQ(session_.end_reason(), EndReason::filtered);
  Session quiet(100);
  quiet.received(Side::client, 30);
  EXPECT_THAT(quiet.suppressed(true), ElementsAre(Command::close));
  EXPECT_EQ(quiet.phase(), Phase::over);
}

TEST_F(SessionTest, LeftAloneItTakesWhatComesUntilTheAttackerHasEnough) {
  for (const bool reset : {false, true}) {
    Session session(100);
    session.connected();
    session.received(Side::client, 30);
    session.received(Side::bait, 30);
    session.left_alone();
    EXPECT_TRUE(session.wants_read(Side::client));
    EXPECT_FALSE(session.wants_read(Side::bait));
    EXPECT_FALSE(session.wants_write(Side::client) || session.wants_write(Side::bait));
    session.received(Side::client, 1000);
    EXPECT_EQ(session.received_from(Side::client), 1030u);
    EXPECT_THAT(reset ? session.was_reset(Side::client) : session.finished(Side::client), ElementsAre(Command::close));
    EXPECT_EQ(session.end_reason(), EndReason::filtered);
  }
}

TEST_F(SessionTest, ADivertedOneConnectsAnewWithWhatTheAttackerHadSent) {
  session_.connected();
  session_.received(Side::bait, 10);
  session_.finished(Side::bait);
  session_.received(Side::client, 30);
  session_.hold(30);
  session_.diverted();
  EXPECT_EQ(session_.phase(), Phase::connecting);
  EXPECT_EQ(session_.waiting_for(Side::client), 0u) << "what the first bait said is not this one's";
  session_.connected();
  EXPECT_TRUE(session_.wants_read(Side::bait));
  EXPECT_THAT(session_.forwarded(Side::bait, 30), IsEmpty());
  session_.finished(Side::client);
  EXPECT_EQ(session_.end_reason(), EndReason::client_closed);
}

TEST_F(SessionTest, TakesInUpToTheBoundBeforeTheBaitStands) {
  session_.received(Side::client, 99);
  EXPECT_TRUE(session_.wants_read(Side::client));
  session_.received(Side::client, 1);
  EXPECT_FALSE(session_.wants_read(Side::client));
}

TEST_F(SessionTest, ReadsTheAttackerWhileItConnects) {
  EXPECT_TRUE(session_.wants_read(Side::client));
  EXPECT_FALSE(session_.wants_read(Side::bait));
  session_.received(Side::client, 5);
  EXPECT_THAT(session_.finished(Side::client), IsEmpty());
  EXPECT_THAT(session_.connected(), IsEmpty());
  EXPECT_TRUE(session_.wants_write(Side::bait));
  EXPECT_THAT(session_.forwarded(Side::bait, 5), ElementsAre(Command::finish_bait));
}

TEST_F(SessionTest, ACutResetsBothAndHappensOnce) {
  session_.connected();
  EXPECT_THAT(session_.end(EndReason::cut), ElementsAre(Command::reset_client, Command::reset_bait, Command::close));
  EXPECT_THAT(session_.end(EndReason::shutdown), IsEmpty());
  EXPECT_EQ(session_.end_reason(), EndReason::cut);
}

TEST_F(SessionTest, CountsWhatCameAndWhatWasPassedOn) {
  session_.connected();
  session_.received(Side::client, 10);
  session_.forwarded(Side::bait, 7);
  EXPECT_EQ(session_.received_from(Side::client), 10u);
  EXPECT_EQ(session_.forwarded_to(Side::bait), 7u);
  EXPECT_EQ(session_.waiting_for(Side::bait), 3u);
}

}  // namespace
}  // namespace skep::proxy
