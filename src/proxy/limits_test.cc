#include "proxy/limits.h"

#include <gtest/gtest.h>

#include "base/doc_page.h"

namespace skep::proxy {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr uint64_t kManyDescriptors = 1 << 20;

Endpoint from(const std::string& text) {
  return parse_endpoint(text).value();
}

formats::ProxyOptions unlimited() {
  formats::ProxyOptions options;
  options.sessions_per_source_max = 0;
  return options;
}

TEST(RateTest, GivesItsBurstAndThenSoManyASecond) {
  const Rate rate(10, kSecond / 2);
  int64_t fresh = 0;
  int taken = 0;
  while (rate.take(fresh, 100 * kSecond)) ++taken;
  EXPECT_EQ(taken, 5);
  for (int64_t ms = 0; ms < 2000; ++ms) taken += rate.take(fresh, 100 * kSecond + ms * 1'000'000) ? 1 : 0;
  EXPECT_EQ(taken, 5 + 19) << "one every 100 ms of 1,999";
}

TEST(RateTest, ARestGivesNoMoreThanTheBurst) {
  const Rate rate(10, kSecond / 2);
  int64_t fresh = 0;
  ASSERT_TRUE(rate.take(fresh, kSecond));
  int taken = 0;
  while (rate.take(fresh, 1000 * kSecond)) ++taken;
  EXPECT_EQ(taken, 5);
}

TEST(RateTest, OneIsAlwaysToBeHadAfterARest) {
  const Rate rate(1, 0);
  int64_t fresh = 0;
  EXPECT_TRUE(rate.take(fresh, kSecond));
  EXPECT_FALSE(rate.take(fresh, kSecond));
  EXPECT_TRUE(rate.take(fresh, 2 * kSecond));
}

TEST(SourceKeyTest, AnIpv6SourceIsItsNetworkAnIpv4SourceIsItself) {
  EXPECT_EQ(source_key(from("[2001:db8:1:2:3:4:5:6]:1"), 64), source_key(from("[2001:db8:1:2::9]:2"), 64));
  EXPECT_NE(source_key(from("[2001:db8:1:2::1]:1"), 64), source_key(from("[2001:db8:1:3::1]:1"), 64));
  EXPECT_NE(source_key(from("[2001:db8:1:2::1]:1"), 128), source_key(from("[2001:db8:1:2::2]:1"), 128));
  EXPECT_EQ(source_key(from("[2001:db8:1:2::1]:1"), 60), source_key(from("[2001:db8:1:f::1]:1"), 60));
  EXPECT_NE(source_key(from("192.0.2.1:1"), 64), source_key(from("192.0.2.2:1"), 64));
}

TEST(LimitsTest, TurnsAwayWhatIsOneTooMany) {
  formats::ProxyOptions options = unlimited();
  options.sessions_max = 2;
  Limits limits(options, kManyDescriptors, 1);
  const auto first = limits.admit(from("192.0.2.1:1"), 0);
  EXPECT_FALSE(first.refused);
  EXPECT_FALSE(limits.admit(from("192.0.2.2:1"), 0).refused);
  EXPECT_EQ(limits.admit(from("192.0.2.3:1"), 0).refused, Limit::sessions_max);
  limits.ended(first.source, 0);
  EXPECT_FALSE(limits.admit(from("192.0.2.3:1"), 0).refused) << "there is room again";
}

// Whoever forges sources has as many of them as he likes.
TEST(LimitsTest, DatagramsLeaveConnectionsTheirRoom) {
  formats::ProxyOptions options = unlimited();
  options.sessions_max = 5;
  options.udp_sessions_max = 2;
  Limits limits(options, kManyDescriptors, 1);
  const auto first = limits.admit(from("192.0.2.1:1"), 0, Protocol::udp);
  EXPECT_FALSE(limits.admit(from("192.0.2.2:1"), 0, Protocol::udp).refused);
  EXPECT_EQ(limits.admit(from("192.0.2.3:1"), 0, Protocol::udp).refused, Limit::udp_sessions_max);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(limits.admit(from("192.0.2.3:1"), 0).refused);
  limits.ended(first.source, 0, Protocol::udp);
  EXPECT_FALSE(limits.admit(from("192.0.2.3:1"), 0, Protocol::udp).refused);
  EXPECT_EQ(limits.admit(from("192.0.2.4:1"), 0).refused, Limit::sessions_max);
}

TEST(LimitsTest, OneSourceLeavesRoomForOthers) {
  formats::ProxyOptions options = unlimited();
  options.sessions_per_source_max = 2;
  Limits limits(options, kManyDescriptors, 1);
  const auto first = limits.admit(from("[2001:db8::1]:1"), 0);
  limits.admit(from("[2001:db8::2]:1"), 0);
  EXPECT_EQ(limits.admit(from("[2001:db8::3]:1"), 0).refused, Limit::sessions_per_source_max);
  EXPECT_FALSE(limits.admit(from("[2001:db8:1::3]:1"), 0).refused);
  limits.ended(first.source, 0);
  EXPECT_FALSE(limits.admit(from("[2001:db8::3]:1"), 0).refused);
}

TEST(LimitsTest, ASourceThatIsTooFastTakesNothingOfWhatAllHave) {
  formats::ProxyOptions options = unlimited();
  options.accepts_per_second_max = 4;
  options.accepts_per_second_per_source_max = 2;
  options.accept_burst_ms = 1000;
  Limits limits(options, kManyDescriptors, 1);
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(limits.admit(from("192.0.2.1:1"), kSecond).refused);
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(limits.admit(from("192.0.2.1:1"), kSecond).refused, Limit::accepts_per_second_per_source_max);
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(limits.admit(from("192.0.2.2:1"), kSecond).refused);
  EXPECT_EQ(limits.admit(from("192.0.2.3:1"), kSecond).refused, Limit::accepts_per_second_max);
}

TEST(LimitsTest, WhereDescriptorsAreFewTheyAreTheLimit) {
  const formats::ProxyOptions options = unlimited();
  Limits limits(options, Limits::descriptors_for(3), 1);
  EXPECT_TRUE(limits.short_of_descriptors());
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(limits.admit(from("192.0.2.1:1"), 0).refused);
  EXPECT_EQ(limits.admit(from("192.0.2.1:1"), 0).refused, Limit::descriptors);
  EXPECT_EQ(Limits(options, 0, 1).sessions_max(), 1u);
}

TEST(LimitsTest, ASourceWithoutSessionsAndWithAFreshRateIsForgotten) {
  formats::ProxyOptions options = unlimited();
  options.accepts_per_second_per_source_max = 10;
  Limits limits(options, kManyDescriptors, 1);
  for (int i = 1; i < 100; ++i)
    limits.ended(limits.admit(from(fmt::format("192.0.2.{}:1", i)), kSecond).source, kSecond);
  EXPECT_EQ(limits.sources().known(), 99u);
  limits.ended(limits.admit(from("192.0.2.200:1"), 10 * kSecond).source, 10 * kSecond);
  EXPECT_EQ(limits.sources().known(), 1u) << "99 are fresh by now";
  EXPECT_EQ(limits.sources().forgotten_early(), 0u);
}

// The table is full of others, each with one connection: the one that floods stays known, and stays refused.
TEST(LimitsTest, ACrowdDoesNotMakeAFloodersRateBeForgotten) {
  formats::ProxyOptions options = unlimited();
  options.sources_max = 64;
  options.accepts_per_second_per_source_max = 2;
  options.accept_burst_ms = 5000;
  Limits limits(options, kManyDescriptors, 1);
  const Endpoint flooder = from("203.0.113.1:1");
  for (int i = 0; i < 10; ++i) limits.ended(limits.admit(flooder, kSecond).source, kSecond);
  for (int i = 0; i < 10'000; ++i) {
    const Endpoint other = from(fmt::format("10.0.{}.{}:1", i / 250, i % 250));
    const auto admission = limits.admit(other, kSecond);
    ASSERT_FALSE(admission.refused);
    limits.ended(admission.source, kSecond);
  }
  EXPECT_LE(limits.sources().known(), 64u);
  EXPECT_GT(limits.sources().forgotten_early(), 0u);
  EXPECT_EQ(limits.admit(flooder, kSecond).refused, Limit::accepts_per_second_per_source_max);
}

TEST(LimitsTest, LiveSourcesAreNeverForgotten) {
  formats::ProxyOptions options = unlimited();
  options.sources_max = 1;
  options.sessions_per_source_max = 1;
  Limits limits(options, kManyDescriptors, 1);
  for (int i = 0; i < 200; ++i) EXPECT_FALSE(limits.admit(from(fmt::format("192.0.2.{}:1", i)), 0).refused);
  for (int i = 0; i < 200; ++i)
    EXPECT_EQ(limits.admit(from(fmt::format("192.0.2.{}:1", i)), 0).refused, Limit::sessions_per_source_max);
}

TEST(LimitsTest, EachIsSaidAtMostOnceASecond) {
  const formats::ProxyOptions options;
  Limits limits(options, kManyDescriptors, 1);
  EXPECT_EQ(limits.log_line(Limit::life_ms, kSecond), 1u);
  for (int i = 0; i < 41; ++i) EXPECT_FALSE(limits.log_line(Limit::life_ms, kSecond + 1));
  EXPECT_EQ(limits.log_line(Limit::sessions_max, kSecond + 1), 1u) << "another limit has its own pace";
  EXPECT_EQ(limits.log_line(Limit::life_ms, 2 * kSecond), 42u);
}

TEST(LimitsPageTest, EveryLimitHasItsRowWithItsDefault) {
  const auto rows = table_rows(section(source_text("docs/reference/limits.md"), "The limits"));
  ASSERT_EQ(rows.size(), kLimits);
  const std::string effective = "\n" + formats::effective_yaml(formats::ProxyOptions());
  for (size_t i = 0; i < kLimits; ++i) {
    const std::string name(to_string(static_cast<Limit>(i)));
    EXPECT_EQ(rows[i].at(0), name);
    if (rows[i].at(1).empty()) continue;  // no option
    EXPECT_NE(effective.find("\n" + name + ": " + rows[i].at(1) + "\n"), std::string::npos)
        << name << " is not " << rows[i].at(1);
  }
}

}  // namespace
}  // namespace skep::proxy
