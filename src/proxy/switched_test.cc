#include "proxy/switched.h"

#include <gtest/gtest.h>

namespace skep::proxy {
namespace {

constexpr int64_t kMillisecond = 1'000'000;

Endpoint from(const char* text) {
  return *parse_endpoint(text);
}

class SwitchedTest : public testing::Test {
 protected:
  SwitchedTest() {
    options_.filter.emplace();
    options_.filter->switch_ms = 100;
    options_.filter->switched_max = 2;
  }
  formats::ProxyOptions options_;
  RuleHit hit_{1, 7, 1, "a rule", RuleGrade::specific, HitAction::switched, 3};
};

TEST_F(SwitchedTest, ASourceGoesToTheBaitUntilItsTimeHasPassed) {
  Switched switched(options_);
  EXPECT_FALSE(switched.takes(from("192.0.2.1:4000"), 0));
  EXPECT_TRUE(switched.add(from("192.0.2.1:4000"), hit_, 0));
  EXPECT_TRUE(switched.takes(from("192.0.2.1:5000"), 99 * kMillisecond));
  EXPECT_FALSE(switched.takes(from("192.0.2.2:5000"), 1));
  EXPECT_TRUE(switched.add(from("192.0.2.1:4000"), hit_, 50 * kMillisecond)) << "once more";
  EXPECT_TRUE(switched.takes(from("192.0.2.1:5000"), 149 * kMillisecond));
  EXPECT_FALSE(switched.takes(from("192.0.2.1:5000"), 150 * kMillisecond));
  EXPECT_EQ(switched.size(), 0u);
}

TEST_F(SwitchedTest, APrefixIsOneSource) {
  options_.filter->switch_prefix_v4 = 24;
  Switched switched(options_);
  switched.add(from("192.0.2.1:1"), hit_, 0);
  switched.add(from("[2001:db8::1]:1"), hit_, 0);
  EXPECT_TRUE(switched.takes(from("192.0.2.200:1"), 1));
  EXPECT_FALSE(switched.takes(from("192.0.3.1:1"), 1));
  EXPECT_TRUE(switched.takes(from("[2001:db8::ffff]:1"), 1));
  EXPECT_FALSE(switched.takes(from("[2001:db8:0:1::1]:1"), 1));
  const auto all = switched.list(1);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].source, "192.0.2.0/24");
  EXPECT_EQ(all[1].source, "2001:db8::/64");
  EXPECT_EQ(all[0].sessions, 1u);
  EXPECT_EQ(all[0].hit.sid, 7u);
}

TEST_F(SwitchedTest, WhatIsListedCanBeReleased) {
  options_.filter->switch_prefix_v4 = 24;
  Switched switched(options_);
  switched.add(from("192.0.2.1:1"), hit_, 0);
  switched.add(from("[2001:db8::1]:1"), hit_, 0);
  EXPECT_FALSE(switched.release("nobody"));
  EXPECT_FALSE(switched.release("198.51.100.1"));
  for (const auto& each : switched.list(1)) EXPECT_TRUE(switched.release(each.source)) << each.source;
  EXPECT_FALSE(switched.takes(from("192.0.2.1:1"), 1));
  EXPECT_FALSE(switched.takes(from("[2001:db8::1]:1"), 1));
}

TEST_F(SwitchedTest, WhatIsFullSaysSoAndMakesRoomOfWhatHasPassed) {
  Switched switched(options_);
  EXPECT_TRUE(switched.add(from("192.0.2.1:1"), hit_, 0));
  EXPECT_TRUE(switched.add(from("192.0.2.2:1"), hit_, 50 * kMillisecond));
  EXPECT_FALSE(switched.add(from("192.0.2.3:1"), hit_, 60 * kMillisecond));
  EXPECT_TRUE(switched.add(from("192.0.2.2:1"), hit_, 60 * kMillisecond)) << "who is there stays";
  EXPECT_EQ(switched.turned_down(), 1u);
  EXPECT_TRUE(switched.add(from("192.0.2.3:1"), hit_, 100 * kMillisecond));
}

}  // namespace
}  // namespace skep::proxy
