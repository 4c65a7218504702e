#include "capture/datagram_sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "capture/test_packets.h"

namespace skep::capture {
namespace {

using testing::ElementsAre;

constexpr int64_t kSecond = 1'000'000'000;

struct Taken {
  explicit Taken(const DatagramLimits& limits = {}) : sessions(told, limits) {}
  Taken& take(const std::vector<TestDatagram>& datagrams) {
    for (const TestDatagram& each : datagrams) sessions.take(datagram_of(each));
    return *this;
  }
  std::vector<std::string>& finish() {
    sessions.finish();
    return told.words;
  }
  Told told;
  DatagramSessions sessions;
};

TestDatagram question(std::string payload, int64_t second = 0, const char* from = "192.0.2.1:4000") {
  return {.from = from, .payload = std::move(payload), .time_ns = second * kSecond};
}
TestDatagram reply(std::string payload, int64_t second = 0) {
  return {.from = "192.0.2.2:53", .to = "192.0.2.1:4000", .payload = std::move(payload), .time_ns = second * kSecond};
}

TEST(DatagramSessionsTest, EachDatagramIsToldAndTheEmptyOnesToo) {
  Taken run;
  run.take({question("ab"), reply("xyz"), question(""), question("c")});
  EXPECT_THAT(run.finish(), ElementsAre("1 0 'ab'", "1 < 0 'xyz'", "1 2 ''", "1 2 'c'", "1 ended"));
  EXPECT_THAT(run.told.ends, ElementsAre("192.0.2.1:4000 > 192.0.2.2:53"));
  EXPECT_THAT(run.told.reasons, ElementsAre(EndReason::open));
  EXPECT_EQ(run.sessions.counts(), (DatagramCounts{.sessions = 1, .datagrams = 4}));
}

TEST(DatagramSessionsTest, SilenceEndsASession) {
  Taken run;
  run.take({question("a"), question("b", 30), question("x", 50, "192.0.2.9:1"), question("c", 61)});
  EXPECT_THAT(run.finish(), ElementsAre("1 0 'a'", "1 1 'b'", "2 0 'x'", "1 ended", "3 0 'c'", "2 ended", "3 ended"));
  EXPECT_THAT(run.told.reasons, ElementsAre(EndReason::timeout, EndReason::open, EndReason::open));
}

TEST(DatagramSessionsTest, SessionsAreBoundedAndTheLongestSilentGoes) {
  Taken run({.sessions = 2});
  run.take({question("a", 0, "192.0.2.1:1"), question("b", 1, "192.0.2.1:2"), question("A", 2, "192.0.2.1:1"),
            question("c", 3, "192.0.2.1:3")});
  EXPECT_EQ(run.told.words.at(3), "2 ended");
  EXPECT_EQ(run.sessions.counts().put_out, 1U);
}

TEST(DatagramSessionsTest, WhatTheCaptureCutOffIsLost) {
  Taken run;
  const TestDatagram whole = question("ab");
  Datagram cut = datagram_of(whole);
  cut.bytes = 5;
  run.sessions.take(cut);
  run.take({question("c")});
  EXPECT_THAT(run.finish(), ElementsAre("1 0 'ab'", "1 lost 2+3", "1 5 'c'", "1 ended"));
  EXPECT_EQ(run.sessions.counts().lost_bytes, 3U);
}

}  // namespace
}  // namespace skep::capture
