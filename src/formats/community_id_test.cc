#include "formats/community_id.h"

#include <gtest/gtest.h>

namespace skep::formats {
namespace {

TEST(CommunityIdTest, AgreesWithTheSpecificationsVector) {
  // Corelight's own example: 128.232.110.120:34855 to 66.35.250.204:80 over TCP.
  const auto a = *parse_endpoint("128.232.110.120:34855");
  const auto b = *parse_endpoint("66.35.250.204:80");
  EXPECT_EQ(community_id(a, b), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
  EXPECT_EQ(community_id(b, a), community_id(a, b));
}

}  // namespace
}  // namespace skep::formats
