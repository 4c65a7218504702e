#include "proxy/datagram_session.h"

#include <gtest/gtest.h>

namespace skep::proxy {
namespace {

TEST(DatagramSessionTest, CountsWhatCameAndWhatWentOfEachSide) {
  DatagramSession session(0);
  EXPECT_TRUE(session.received(Side::client, 10)) << "before the bait's socket is there";
  session.connected();
  session.forwarded(Side::bait, 10);
  EXPECT_FALSE(session.answered());
  EXPECT_TRUE(session.received(Side::bait, 0)) << "an empty one is an answer";
  EXPECT_TRUE(session.answered());
  session.forwarded(Side::client, 0);
  session.dropped(Side::client, 3);
  EXPECT_EQ(session.phase(), Phase::relaying);
  EXPECT_EQ(session.received_from(Side::client), 10u);
  EXPECT_EQ(session.forwarded_to(Side::bait), 10u);
  EXPECT_EQ(session.dropped_to(Side::client), 3u);
  EXPECT_EQ(session.dropped_to(Side::bait), 0u);
}

TEST(DatagramSessionTest, TheOneWithWhichItMeetsItsBytesIsNotPassedOn) {
  DatagramSession session(1000);
  session.connected();
  EXPECT_TRUE(session.received(Side::client, 600));
  EXPECT_TRUE(session.received(Side::bait, 399));
  EXPECT_FALSE(session.received(Side::client, 1));
  EXPECT_EQ(session.phase(), Phase::over);
  EXPECT_EQ(session.end_reason(), EndReason::limit);
  EXPECT_EQ(session.received_from(Side::client), 601u) << "it is recorded";
}

TEST(DatagramSessionTest, EndsForTheFirstReasonAlone) {
  struct Row {
    const char* description;
    void (*act)(DatagramSession&);
    EndReason reason;
  };
  const Row rows[] = {
      {"nobody has the bait's port",
       [](DatagramSession& s) {
         s.connected();
         s.refused();
       },
       EndReason::bait_refused},
      {"the socket was refused", [](DatagramSession& s) { s.connect_failed(true); }, EndReason::bait_refused},
      {"no way to the bait", [](DatagramSession& s) { s.connect_failed(false); }, EndReason::bait_unreachable},
      {"silence",
       [](DatagramSession& s) {
         s.connected();
         s.end(EndReason::timeout);
         s.end(EndReason::shutdown);
       },
       EndReason::timeout},
      {"cut before it stood", [](DatagramSession& s) { s.end(EndReason::cut); }, EndReason::cut},
  };
  for (const Row& row : rows) {
    DatagramSession session(0);
    row.act(session);
    EXPECT_EQ(session.phase(), Phase::over) << row.description;
    EXPECT_EQ(session.end_reason(), row.reason) << row.description;
  }
}

TEST(DatagramSessionTest, WhatCannotBeIsABrokenPromise) {
  DatagramSession session(0);
  EXPECT_DEATH({ [[maybe_unused]] const bool on = session.received(Side::bait, 1); }, "");
  EXPECT_DEATH(session.refused(), "");
  session.connected();
  EXPECT_DEATH(session.connected(), "");
  session.end(EndReason::cut);
  EXPECT_DEATH({ [[maybe_unused]] const bool on = session.received(Side::client, 1); }, "");
}

}  // namespace
}  // namespace skep::proxy
