#include "formats/community_id.h"

#include <gtest/gtest.h>

namespace skep::formats {
namespace {

TEST(CommunityIdTest, AgreesWithTheSpecificationsVector) {
  // Corelight's own example: 128.232.110.120:34855 to 66.35.250.204:80 over TCP.
  const auto a = *parse_endpoint("128.232.110.120:34855");
  const auto b = *parse_endpoint("66.35.250.204:80");
  EXPECT_EQ(community_id(Protocol::tcp, a, b), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
  EXPECT_EQ(community_id(Protocol::tcp, b, a), community_id(Protocol::tcp, a, b));
}

// Also among its examples: 192.168.1.52:54585 asks 8.8.8.8:53.
TEST(CommunityIdTest, OfDatagramsItIsAnother) {
  const auto a = *parse_endpoint("192.168.1.52:54585");
  const auto b = *parse_endpoint("8.8.8.8:53");
  EXPECT_EQ(community_id(Protocol::udp, a, b), "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
  EXPECT_NE(community_id(Protocol::udp, a, b), community_id(Protocol::tcp, a, b));
}

}  // namespace
}  // namespace skep::formats
