#include "replay/differences.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <random>
#include <string>

namespace skep::replay {
namespace {

using Texts = std::vector<std::pair<std::string, std::string>>;

Texts texts(std::string_view one, std::string_view other) {
  Texts out;
  for (const Difference& each : differences(as_bytes(one), as_bytes(other)))
    out.emplace_back(one.substr(each.from, each.to - each.from),
                     other.substr(each.other_from, each.other_to - each.other_from));
  return out;
}

TEST(Differences, AreWholeWords) {
  EXPECT_EQ(texts("same", "same"), Texts());
  EXPECT_EQ(texts("id=abc1; x=1", "id=abz1; x=1"), (Texts{{"abc1", "abz1"}}));
  EXPECT_EQ(texts("GET /a HTTP/1.1\r\nCookie: s=12\r\n\r\n", "GET /a HTTP/1.1\r\nCookie: s=99887\r\n\r\n"),
            (Texts{{"12", "99887"}}));
  EXPECT_EQ(texts("t=ab+cd/ef&x", "t=zz+yy/gg&x"), (Texts{{"ab+cd/ef", "zz+yy/gg"}}));
  EXPECT_EQ(texts("a\r\nb: 1\r\nc\r\n", "a\r\nc\r\n").size(), 1u);
}

TEST(Differences, OfBinaryAreBytes) {
  const std::string one("\0\0\0\x10\x91\x92\x93\x94\0\0", 10), other("\0\0\0\x10\x81\x92\x83\x84\0\0", 10);
  EXPECT_EQ(texts(one, other), (Texts{{"\x91\x92\x93\x94", "\x81\x92\x83\x84"}}));
}

TEST(Differences, HoldBothTogetherHoweverLargeTheyAre) {
  std::mt19937_64 random(1);
  for (int turn = 0; turn < 20; ++turn) {
    std::string one;
    while (one.size() < 100'000) one += fmt::format("line {} of the text\n", random() % 1'000'000);
    std::string other = one;
    for (int i = 0; i < 5; ++i) other.insert(random() % other.size(), "INSERTED ");
    std::string rebuilt;
    size_t at = 0;
    for (const Difference& each : differences(as_bytes(one), as_bytes(other))) {
      rebuilt += one.substr(at, each.from - at) + other.substr(each.other_from, each.other_to - each.other_from);
      at = each.to;
    }
    rebuilt += one.substr(at);
    ASSERT_EQ(rebuilt, other);
  }
}

}  // namespace
}  // namespace skep::replay
