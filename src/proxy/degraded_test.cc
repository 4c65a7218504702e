#include "proxy/degraded.h"

#include <gtest/gtest.h>

namespace skep::proxy {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

TEST(DegradedTest, AStateBeginsOnceAndEndsOnce) {
  Degraded degraded;
  using Changes = std::vector<Degraded::Change>;
  EXPECT_EQ(degraded.update({"disk-full"}, 0), (Changes{{"disk-full", true, 0}}));
  EXPECT_EQ(degraded.update({"disk-full"}, 5 * kSecond), Changes{});
  EXPECT_EQ(degraded.update({}, 5 * kSecond + 1), Changes{}) << "it may come again at once";
  EXPECT_EQ(degraded.update({}, 6 * kSecond), (Changes{{"disk-full", false, 5 * kSecond}}));
  EXPECT_EQ(degraded.update({}, 9 * kSecond), Changes{});
}

TEST(DegradedTest, AStateThatComesAndGoesIsOneState) {
  Degraded degraded;
  EXPECT_EQ(degraded.update({"ring-behind"}, 0).size(), 1u);
  for (int64_t turn = 1; turn < 200; ++turn) {
    const bool holds = turn % 2 == 0;
    EXPECT_TRUE(degraded
                    .update(holds ? std::vector<std::string_view>{"ring-behind"} : std::vector<std::string_view>{},
                            turn * kSecond / 20)
                    .empty());
  }
}

TEST(DegradedTest, StatesAreIndependent) {
  Degraded degraded;
  EXPECT_EQ(degraded.update({"disk-full", "monitor-away"}, 0).size(), 2u);
  const auto changes = degraded.update({"disk-full"}, 2 * kSecond);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].state, "monitor-away");
}

}  // namespace
}  // namespace skep::proxy
