#include "proxy/deadlines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

namespace skep::proxy {
namespace {

std::vector<uint32_t> due(Deadlines& deadlines, int64_t now_ns) {
  std::vector<uint32_t> numbers;
  while (const auto number = deadlines.take_due(now_ns)) numbers.push_back(*number);
  return numbers;
}

TEST(DeadlinesTest, GivesWhatIsDueEarliestFirstAndOnce) {
  Deadlines deadlines;
  deadlines.set(3, 30);
  deadlines.set(1, 10);
  deadlines.set(2, 20);
  EXPECT_THAT(due(deadlines, 9), testing::IsEmpty());
  EXPECT_THAT(due(deadlines, 20), testing::ElementsAre(1, 2));
  EXPECT_THAT(due(deadlines, 20), testing::IsEmpty());
  EXPECT_EQ(deadlines.first()->number, 3u);
}

TEST(DeadlinesTest, WhatIsSetAgainStandsThereAlone) {
  Deadlines deadlines;
  deadlines.set(0, 10);
  deadlines.set(0, 50);
  deadlines.set(1, 40);
  EXPECT_THAT(due(deadlines, 30), testing::IsEmpty());
  deadlines.set(0, 20);
  EXPECT_THAT(due(deadlines, 30), testing::ElementsAre(0));
  EXPECT_EQ(deadlines.size(), 1u);
}

TEST(DeadlinesTest, WhatIsClearedIsNeverDue) {
  Deadlines deadlines;
  deadlines.clear(7);
  deadlines.set(7, 10);
  deadlines.set(8, 11);
  deadlines.clear(7);
  EXPECT_THAT(due(deadlines, 100), testing::ElementsAre(8));
  EXPECT_FALSE(deadlines.first());
}

// Against a sorted map, over many ways to set, clear and take.
TEST(DeadlinesTest, AgreesWithASortedMap) {
  Deadlines deadlines;
  std::map<uint32_t, int64_t> model;
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const auto number = static_cast<uint32_t>(random() % 200);
    const int64_t at = static_cast<int64_t>(random() % 1000) * 1000 + number;  // no two alike
    if (random() % 3 == 0) {
      deadlines.clear(number);
      model.erase(number);
    } else {
      deadlines.set(number, at);
      model[number] = at;
    }
    ASSERT_EQ(deadlines.size(), model.size());
    if (i % 50 != 0) continue;
    const int64_t now = static_cast<int64_t>(random() % 1000) * 1000;
    std::map<int64_t, uint32_t> expected;
    for (const auto& [each, when] : model) {
      if (when <= now) expected[when] = each;
    }
    std::vector<uint32_t> order;
    for (const auto& [when, each] : expected) {
      order.push_back(each);
      model.erase(each);
    }
    ASSERT_EQ(due(deadlines, now), order);
  }
}

}  // namespace
}  // namespace skep::proxy
