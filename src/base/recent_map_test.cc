#include "base/recent_map.h"

#include <gtest/gtest.h>

namespace skep {
namespace {

using Map = RecentMap<int, int, std::hash<int>>;

TEST(RecentMapTest, WhatWasTouchedLatelyStaysAndTheRestGoes) {
  Map map(4);
  for (int key = 0; key < 4; ++key) map.touch(key) = key * 10;
  map.touch(0);  // of the old half: young again
  ASSERT_NE(map.find(0), nullptr);
  for (int key = 4; key < 6; ++key) map.touch(key) = key * 10;
  EXPECT_NE(map.find(0), nullptr);
  EXPECT_EQ(*map.find(0), 0);
  EXPECT_EQ(map.find(1), nullptr);
  EXPECT_EQ(*map.find(5), 50);
}

TEST(RecentMapTest, ItsSizeIsBounded) {
  Map map(100);
  for (int key = 0; key < 10'000; ++key) {
    map.touch(key);
    ASSERT_LE(map.size(), 100u);
  }
  EXPECT_NE(map.find(9999), nullptr);
}

TEST(RecentMapTest, WhatIsErasedIsGoneFromBothHalves) {
  Map map(4);
  for (int key = 0; key < 3; ++key) map.touch(key);
  for (int key = 0; key < 3; ++key) map.erase(key);
  EXPECT_EQ(map.size(), 0u);
  EXPECT_EQ(map.touch(1), 0);
}

}  // namespace
}  // namespace skep
