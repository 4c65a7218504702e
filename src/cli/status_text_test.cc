#include "cli/status_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace skep::cli {
namespace {

using testing::HasSubstr;

constexpr char kProxy[] =
    R"({"program":"skep-proxy","archive":"/var/lib/skep","started":"2026-03-30T00:00:07.784231Z","uptime_s":90061,)"
    R"("sessions_live":1,"sessions_total":3,"sessions_refused":1,"waiting_for_port":0,"services":[{"name":"web",)"
    R"("live":1,"sessions":3,"classes":{"harmless":2,"attack":1},"ended":{"client-closed":1,"limit":1},)"
    R"("bytes_in":17,"bytes_out":1258292}],"limits":{"sessions_max":1},"alerts":{"a\u001b[2Jrule":1},)"
    R"("records_lost":0,"bytes_lost":0,"bytes_recorded":2048,"segments":1,"ring_bytes":16777216,)"
    R"("ring_bytes_used":0,"descriptors_of_sessions":2,"descriptors_max":1024,"baits":[{"name":"bait1",)"
    R"("monitor":"10.99.0.3:7443","connected":false,"last_heard":null,"live_sessions":1}],"upstreams":[{"service":"web","bait":"bait1",)"
    R"("address":"10.99.0.3:80","left_out":true,"failures":3}],"degraded":["monitor-away"]})";

TEST(StatusTextTest, SaysWhatAPersonLooksFor) {
  const auto text = status_text(kProxy);
  ASSERT_TRUE(text) << text.error().message;
  for (const char* words :
       {"skep-proxy      up 1 d 01:01:01 since 2026-03-30T00:00:07.784231Z\n",
        "sessions        1 live, 3 in all, 1 refused\n",
        "  web           1 live, 3 in all: harmless 2, attack 1; 17 B in, 1.2 MiB out\n",
        "ended: client-closed 1, limit 1\n", "limits hit      sessions_max 1\n",
        "archive         /var/lib/skep: 2.0 KiB",
        "bait bait1      monitor 10.99.0.3:7443 AWAY, 1 live sessions, last heard never\n",
        "  web           10.99.0.3:80 (bait1) LEFT OUT, failed 3 times\n", "degraded        monitor-away\n"})
    EXPECT_THAT(*text, HasSubstr(words));
}

TEST(StatusTextTest, WhatOthersNamedReachesNoTerminalAsItIs) {
  EXPECT_THAT(*status_text(kProxy), HasSubstr("alerts          a\\x1b[2Jrule 1\n"));
}

TEST(StatusTextTest, TheMonitorsNumbersAreAllThere) {
  const auto text = status_text(R"({"program":"skep-monitor","proxy_connected":true,"alerts":7,"degraded":[]})");
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr("its proxy is connected"));
  EXPECT_THAT(*text, testing::ContainsRegex("alerts +7\n"));
  EXPECT_THAT(*text, HasSubstr("degraded        no\n"));
}

TEST(StatusTextTest, AnAnswerThatIsNoObjectIsAnError) {
  EXPECT_FALSE(status_text("[1]"));
  EXPECT_FALSE(status_text("{"));
}

TEST(StatusTextTest, NumbersAreRounded) {
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1024), "1.0 KiB");
  EXPECT_EQ(bytes_text(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(bytes_text(UINT64_MAX), "16.0 EiB");
  EXPECT_EQ(duration_text(69), "00:01:09");
}

}  // namespace
}  // namespace skep::cli
