#include "replay/targets.h"

#include <gtest/gtest.h>

namespace skep::replay {
namespace {

TEST(TargetsTest, WhoIsInNoListIsRefusedWithWhatToWrite) {
  const auto options = formats::parse_replay_options("t", "targets: [{net: 10.99.0.0/24, owner: lab}]");
  ASSERT_TRUE(options);
  const Targets targets(*options);
  EXPECT_EQ(*targets.owner_of(*parse_endpoint("10.99.0.3:80")), "lab");
  const auto refused = targets.owner_of(*parse_endpoint("192.0.2.1:80"));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("net: 192.0.2.1, ports: \"80\""), std::string::npos);
  EXPECT_FALSE(Targets().owner_of(*parse_endpoint("127.0.0.1:80")));
}

TEST(RateLimitTest, EachTargetHasItsOwn) {
  RateLimit limit(4);
  const Endpoint one = *parse_endpoint("10.0.0.1:80"), other = *parse_endpoint("10.0.0.2:80");
  EXPECT_EQ(limit.wait_ns(one, 0), 0);
  EXPECT_EQ(limit.wait_ns(one, 100'000'000), 150'000'000);
  EXPECT_EQ(limit.wait_ns(other, 100'000'000), 0);
  EXPECT_EQ(limit.wait_ns(one, 250'000'000), 0);
  EXPECT_EQ(limit.wait_ns(one, 250'000'001), 249'999'999);
}

}  // namespace
}  // namespace skep::replay
