#include "proxy/sieve.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace skep::proxy {
namespace {

using formats::Hold;
using Pass = Sieve::Pass;

constexpr int64_t kMillisecond = 1'000'000;

// What comes, and what is decided.
struct Step {
  std::string bytes;  // "": time passes, nothing comes
  int at_ms = 0;
  Pass pass = Pass::forward;
  size_t held = 0;
  bool head_open = false;
  bool blind = false;
  bool known = false;  // a rule that suppresses has fired
};

struct Row {
  const char* description;
  Hold hold;
  std::vector<Step> steps;
};

TEST(SieveTest, Conversations) {
  const std::vector<Row> rows = {
      {"without hold all goes on", Hold::none, {{"GE", 0, Pass::forward, 0, true}, {"T /", 1}}},
      {"a rule that suppresses ends it",
       Hold::none,
       {{"GET", 0}, {" /cmd.exe", 1, Pass::suppress, 0, false, false, true}}},
      {"what was held goes with it",
       Hold::line,
       {{"GET", 0, Pass::hold, 3}, {" /cmd.exe\n", 1, Pass::suppress, 0, false, false, true}}},
      {"a line is held to its end",
       Hold::line,
       {{"US", 0, Pass::hold, 2}, {"ER x", 1, Pass::hold, 6}, {"y\r\n", 2}, {"a\nbc", 3, Pass::hold, 2}, {"\n", 4}}},
      {"what waits no longer than it may",
       Hold::line,
       {{"US", 0, Pass::hold, 2},
        {"ER", 60, Pass::hold, 4},
        {"", 99, Pass::hold, 4},
        {"", 100},
        {"x", 101, Pass::hold, 1}}},
      {"the time is that of the oldest that still waits",
       Hold::line,
       {{"a", 0, Pass::hold, 1}, {"\nb", 90, Pass::hold, 1}, {"", 150, Pass::hold, 1}, {"", 190}}},
      {"bytes that come too late let all go", Hold::line, {{"a", 0, Pass::hold, 1}, {"b", 100}}},
      {"and no more than it may", Hold::line, {{std::string(16, 'x'), 0, Pass::hold, 16}, {"y", 1}}},
      {"an HTTP head is held while it is not whole",
       Hold::http_head,
       {{"GET ", 0, Pass::hold, 4, true},
        {"/ HT", 1, Pass::hold, 8, true},
        {"TP/1.0\r\n\r\n", 2, Pass::forward, 0, false}}},
      {"until it is known what is spoken, it may be one", Hold::http_head, {{"G", 0, Pass::hold, 1, false}}},
      {"what is no HTTP goes on", Hold::http_head, {{std::string("\x16\x03\x01\x02\x03\x04\x05\x06", 8), 0}}},
      {"by itself lines of FTP are held, too", Hold::automatic, {{"USER anonymous", 0, Pass::hold, 14}, {"\r\n", 1}}},
      {"not so where only heads are", Hold::http_head, {{"USER anonymous", 0}}},
      {"who is blind holds nothing", Hold::line, {{"US", 0, Pass::forward, 0, false, true}}},
  };
  for (const Row& row : rows) {
    Sieve sieve({row.hold, 16, 100 * kMillisecond});
    for (const Step& step : row.steps) {
      const int64_t now = step.at_ms * kMillisecond;
      const Sieve::Decision decision =
          step.bytes.empty() ? sieve.due(now)
                             : sieve.came(as_bytes(step.bytes), step.known, {step.head_open, step.blind}, now);
      EXPECT_EQ(decision.pass, step.pass) << row.description << " at " << step.at_ms;
      EXPECT_EQ(decision.held, step.held) << row.description << " at " << step.at_ms;
      EXPECT_EQ(sieve.due_ns() != 0, step.pass == Pass::hold) << row.description << " at " << step.at_ms;
    }
  }
}

TEST(SieveTest, WhatFiresWithoutNewBytesSuppressesWhereSomeHaveNotGone) {
  for (const size_t unsent : {0u, 3u}) {
    const Pass expected = unsent > 0 ? Pass::suppress : Pass::forward;
    Sieve sieve(SieveOptions{});
    EXPECT_EQ(sieve.answered(true, unsent).pass, expected) << unsent;
    EXPECT_EQ(sieve.finished(true, unsent).pass, expected) << unsent;
  }
}

TEST(SieveTest, AnAnswerLetsNothingGoThatIsHeldAndTheEndDoes) {
  Sieve sieve({Hold::line, 16, 100 * kMillisecond});
  EXPECT_EQ(sieve.came(as_bytes("US"), false, {}, 0).held, 2u);
  EXPECT_EQ(sieve.answered(false, 2).held, 2u);
  EXPECT_EQ(sieve.finished(false, 2).pass, Pass::forward);
  EXPECT_EQ(sieve.due_ns(), 0);
}

TEST(SieveTest, WhatWentUnjudgedIsCounted) {
  Sieve sieve({Hold::line, 4, 100 * kMillisecond});
  (void)sieve.came(as_bytes("abcde"), false, {}, 0);
  (void)sieve.came(as_bytes("f"), false, {}, 1);
  (void)sieve.due(200 * kMillisecond);
  EXPECT_EQ(sieve.given_up(), 2u);
}

}  // namespace
}  // namespace skep::proxy
