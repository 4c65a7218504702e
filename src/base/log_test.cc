#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log_limit.h"

namespace skep::log {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kSecond = 1'000'000'000;

TEST(LogTest, ALineOfJsonIsOneObjectWithTheSessionWhereThereIsOne) {
  EXPECT_EQ(line_of(Format::json, Level::warning, 0, "cut", "20261124T110512123456-0a7"),
            R"({"time":"1970-01-01T00:00:00.000000Z","level":"warning","area":"skep","message":"cut",)"
            R"("session":"20261124T110512123456-0a7"})"
            "\n");
  EXPECT_EQ(line_of(Format::json, Level::info, 0, "x", ""),
            R"({"time":"1970-01-01T00:00:00.000000Z","level":"info","area":"skep","message":"x"})"
            "\n");
  EXPECT_EQ(line_of(Format::text, Level::info, 0, "x", "id"), "1970-01-01T00:00:00.000000Z info skep: x session=id\n");
}

TEST(LogTest, NoBytesFromOutsideBreakALine) {
  const std::string_view hostile("\"}\n{\"level\":\"forged\x1b[2J\xff\0", 26);
  for (const Format format : {Format::text, Format::json}) {
    const std::string line = line_of(format, Level::info, 0, hostile, hostile);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    for (const char c : line.substr(0, line.size() - 1)) EXPECT_TRUE(c >= ' ' && c < 0x7f) << static_cast<int>(c);
  }
  EXPECT_THAT(line_of(Format::json, Level::info, 0, hostile, ""),
              testing::Not(testing::HasSubstr("\"level\":\"forged")));
}

TEST(LogLimitTest, BeyondTheLimitLinesAreCountedAndToldWhenTheWindowIsOver) {
  LogLimit limit;
  int written = 0;
  for (int i = 0; i < 100; ++i) written += limit.admit("turned away", 3, i) ? 1 : 0;
  EXPECT_EQ(written, 3);
  EXPECT_THAT(limit.take_due(LogLimit::kWindowNs - 1), IsEmpty());
  EXPECT_THAT(limit.take_due(LogLimit::kWindowNs), ElementsAre(LogLimit::LeftOut{"turned away", 97}));
  EXPECT_THAT(limit.take_due(3 * LogLimit::kWindowNs), IsEmpty()) << "told once";
  EXPECT_TRUE(limit.admit("turned away", 3, 3 * LogLimit::kWindowNs));
}

TEST(LogLimitTest, ALineNowAndThenIsNeverLeftOut) {
  LogLimit limit;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(limit.admit("rare", 1, i * 11 * kSecond));
}

TEST(LogLimitTest, KindsDoNotShareALimit) {
  LogLimit limit;
  EXPECT_TRUE(limit.admit("one", 1, 0));
  EXPECT_FALSE(limit.admit("one", 1, 0));
  EXPECT_TRUE(limit.admit("two", 1, 0));
}

TEST(LogLimitTest, KindsWithoutEndShareOne) {
  LogLimit limit;
  int written = 0;
  for (int i = 0; i < 10'000; ++i) written += limit.admit(std::to_string(i), 1, 0) ? 1 : 0;
  EXPECT_EQ(written, static_cast<int>(LogLimit::kKindsMax) + 1);
}

}  // namespace
}  // namespace skep::log
