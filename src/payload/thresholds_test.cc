#include "payload/thresholds.h"

#include <gtest/gtest.h>

namespace skep::payload {
namespace {

using formats::RuleThreshold;

constexpr int64_t kSecond = 1'000'000'000;

formats::Rule rule_with(RuleThreshold::Kind kind, uint32_t count,
                        RuleThreshold::Track track = RuleThreshold::Track::source) {
  formats::Rule rule;
  rule.sid = 1;
  rule.threshold = RuleThreshold{kind, track, count, 60};
  return rule;
}

Flow from(const char* source) {
  return {*parse_endpoint(source), *parse_endpoint("198.51.100.1:80")};
}

std::string said(const formats::Rule& rule, int times, int64_t apart_ns) {
  Thresholds thresholds;
  std::string out;
  for (int i = 0; i < times; ++i) out += thresholds.say(rule, from("192.0.2.1:1"), i * apart_ns) ? 'x' : '.';
  return out;
}

TEST(ThresholdsTest, EachKindSaysInItsWay) {
  EXPECT_EQ(said(formats::Rule{}, 3, kSecond), "xxx");
  EXPECT_EQ(said(rule_with(RuleThreshold::Kind::limit, 2), 6, kSecond), "xx....");
  EXPECT_EQ(said(rule_with(RuleThreshold::Kind::threshold, 3), 7, kSecond), "..x..x.");
  EXPECT_EQ(said(rule_with(RuleThreshold::Kind::both, 3), 7, kSecond), "..x....");
  EXPECT_EQ(said(rule_with(RuleThreshold::Kind::detection_filter, 3), 6, kSecond), "...xxx");
}

TEST(ThresholdsTest, APeriodBeginsAnewWithItsTime) {
  EXPECT_EQ(said(rule_with(RuleThreshold::Kind::limit, 1), 6, 31 * kSecond), "x.x.x.");
  EXPECT_EQ(said(rule_with(RuleThreshold::Kind::threshold, 3), 6, 61 * kSecond), "......");
}

TEST(ThresholdsTest, AddressesAreCountedApart) {
  Thresholds thresholds;
  const auto rule = rule_with(RuleThreshold::Kind::limit, 1);
  EXPECT_TRUE(thresholds.say(rule, from("192.0.2.1:1"), 0));
  EXPECT_TRUE(thresholds.say(rule, from("192.0.2.2:1"), 0));
  EXPECT_FALSE(thresholds.say(rule, from("192.0.2.1:2"), 0));
  const auto by_destination = rule_with(RuleThreshold::Kind::limit, 1, RuleThreshold::Track::destination);
  Thresholds others;
  EXPECT_TRUE(others.say(by_destination, from("192.0.2.1:1"), 0));
  EXPECT_FALSE(others.say(by_destination, from("192.0.2.2:1"), 0));
}

TEST(ThresholdsTest, WhoIsTrackedIsBounded) {
  Thresholds thresholds;
  const auto rule = rule_with(RuleThreshold::Kind::limit, 1);
  for (uint32_t i = 0; i < 100'000; ++i) {
    Endpoint source;
    for (size_t k = 0; k < 4; ++k) source.address[12 + k] = static_cast<uint8_t>(i >> (8 * k));
    EXPECT_TRUE(thresholds.say(rule, {source, {}}, 0));
  }
  EXPECT_LE(thresholds.tracked(), Thresholds::kTrackedMax);
}

}  // namespace
}  // namespace skep::payload
