#include "proxy/route.h"

#include <gtest/gtest.h>

namespace skep::proxy {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

Endpoint source(unsigned number) {
  Endpoint endpoint = *parse_endpoint("10.0.0.0:1");
  endpoint.address[14] = static_cast<uint8_t>(number >> 8);
  endpoint.address[15] = static_cast<uint8_t>(number);
  return endpoint;
}

RouteOptions options() {
  RouteOptions options;
  options.sticky_ns = 100 * kSecond;
  options.sources_max = 8;
  options.retry_ns = 10 * kSecond;
  return options;
}

TEST(RouteTest, NewSourcesTakeTurns) {
  Route route(3, options());
  for (unsigned i = 0; i < 6; ++i) EXPECT_EQ(route.choose(source(i), 0), i % 3);
}

TEST(RouteTest, ASourceGoesWhereItWentBeforeUntilItHasStayedAwayTooLong) {
  Route route(3, options());
  ASSERT_EQ(route.choose(source(1), 0), 0u);
  ASSERT_EQ(route.choose(source(2), 0), 1u);
  EXPECT_EQ(route.choose(source(1), 99 * kSecond), 0u);
  EXPECT_EQ(route.choose(source(1), 199 * kSecond), 0u) << "each session begins the time anew";
  EXPECT_EQ(route.choose(source(1), 300 * kSecond), 2u);
}

TEST(RouteTest, TheTableIsBoundedAndForgetsWhoWasAwayLongest) {
  Route route(2, options());
  for (unsigned i = 0; i < 1000; ++i) {
    route.choose(source(i), 0);
    ASSERT_LE(route.sources(), 8u);
  }
  Route other(2, options());
  const size_t first = other.choose(source(0), 0);
  for (unsigned i = 1; i < 100; ++i) {
    other.choose(source(i), 0);
    EXPECT_EQ(other.choose(source(0), 0), first) << "who comes again and again is not forgotten";
  }
}

TEST(RouteTest, ABaitThatRefusesIsLeftOutForAWhileAndThenAskedAgain) {
  Route route(2, options());
  ASSERT_EQ(route.choose(source(1), 0), 0u);
  EXPECT_TRUE(route.failed(0, 0)) << "this is news";
  EXPECT_EQ(route.another(source(1), 0, 0), std::optional<size_t>(1));
  EXPECT_FALSE(route.failed(0, 1));
  EXPECT_TRUE(route.left_out(0));
  EXPECT_EQ(route.failures(0), 2u);
  for (unsigned i = 2; i < 6; ++i) EXPECT_EQ(route.choose(source(i), 9 * kSecond), 1u);
  EXPECT_EQ(route.choose(source(1), 9 * kSecond), 1u) << "who was moved stays there";
  size_t asked_again = 0;
  for (unsigned i = 10; i < 14; ++i) asked_again += route.choose(source(i), 11 * kSecond) == 0 ? 1 : 0;
  EXPECT_EQ(asked_again, 2u);
  EXPECT_TRUE(route.answered(0)) << "and this";
  EXPECT_FALSE(route.answered(0));
  EXPECT_FALSE(route.left_out(0));
}

TEST(RouteTest, WhereAllRefuseTheyAreStillAskedButNotTwiceForOneSession) {
  Route route(2, options());
  route.failed(0, 0);
  route.failed(1, 0);
  EXPECT_EQ(route.another(source(1), 1, 0), std::nullopt);
  const size_t first = route.choose(source(1), 0);
  EXPECT_NE(route.choose(source(2), 0), first);
}

TEST(RouteTest, AServiceOfOneBaitRemembersNobody) {
  Route route(1, options());
  EXPECT_EQ(route.choose(source(1), 0), 0u);
  EXPECT_EQ(route.another(source(1), 0, 0), std::nullopt);
  EXPECT_EQ(route.sources(), 0u);
}

}  // namespace
}  // namespace skep::proxy
