#include "cli/list_changes.h"

#include <gtest/gtest.h>

namespace skep::cli {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kNow = 1'800'000'000 * kSecond;

archive::SessionSummary row(int64_t after_now_ns, SessionClass session_class = SessionClass::harmless) {
  archive::SessionSummary summary;
  summary.id = make_session_id(kNow + after_now_ns, 0);
  summary.session_class = session_class;
  return summary;
}

TEST(ListChangesTest, ASessionIsNewsOnceAndOnceMoreWhenItsClassChanges) {
  ListChanges changes(kNow);
  EXPECT_TRUE(changes.is_news(row(0)));
  EXPECT_FALSE(changes.is_news(row(0)));
  EXPECT_TRUE(changes.is_news(row(0, SessionClass::suspect)));
  EXPECT_TRUE(changes.is_news(row(0, SessionClass::attack)));
  EXPECT_FALSE(changes.is_news(row(0, SessionClass::attack)));
}

TEST(ListChangesTest, WhatComesLateToTheIndexIsStillAskedFor) {
  ListChanges changes(kNow);
  EXPECT_LT(changes.recent_after(), row(0).id.value) << "in an archive without a session";
  changes.is_news(row(10 * kSecond));
  EXPECT_LT(changes.recent_after(), row(8 * kSecond).id.value);
  EXPECT_GT(changes.recent_after(), row(6 * kSecond).id.value);
}

TEST(ListChangesTest, OldHarmlessOnesAreForgottenAndAreNewsWhenTheyAreTagged) {
  ListChanges changes(kNow);
  changes.is_news(row(0));
  changes.is_news(row(5000, SessionClass::attack));
  for (int i = 0; i < 1000; ++i) changes.is_news(row(i * kSecond / 10));
  changes.forget_old();
  EXPECT_LT(changes.remembered(), 40u);
  EXPECT_FALSE(changes.is_news(row(5000, SessionClass::attack)));
  EXPECT_TRUE(changes.is_news(row(0, SessionClass::suspect)));
}

}  // namespace
}  // namespace skep::cli
