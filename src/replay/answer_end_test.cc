#include "replay/answer_end.h"

#include <gtest/gtest.h>

#include <string_view>

namespace skep::replay {
namespace {

TEST(AnswerEndTest, AnAnswerIsWholeWhereItLooksLikeTheRecordedOne) {
  struct Row {
    const char* description;
    std::string_view recorded, came;
    bool whole;
  };
  const Row rows[] = {
      {"the same", "220 ready\r\n", "220 ready\r\n", true},
      {"as long", "nonce=1234", "nonce=9876", true},
      {"nothing came", "220 ready\r\n", "", false},
      {"a part", "220 ready\r\n", "220 re", false},
      {"one line of other length", "227 (10,0,0,1,4,1).\r\n", "227 (127,0,0,1,195,80).\r\n", true},
      {"its line is not over", "227 (10,0,0,1,4,1).\r\n", "227 (127,0,0,1,195,80).\r", false},
      {"the first of two lines", "250-a\r\n250 bcd\r\n", "250-abcdefg\r\n", false},
      {"the end is the same", "job=17 state=finished", "job=18123 state=finished", true},
      {"binary, longer", std::string_view("\0\1\2\3", 4), std::string_view("\0\1\2\3\4\5", 6), false},
      {"nothing was recorded", "", "something", false},
  };
  for (const Row& row : rows)
    EXPECT_EQ(looks_whole(as_bytes(row.recorded), as_bytes(row.came)), row.whole) << row.description;
}

TEST(AnswerEndTest, TwoAnswersThatCameTogetherAreToldApart) {
  struct Row {
    const char* description;
    std::string_view recorded, came;
    std::optional<size_t> end;
  };
  const Row rows[] = {
      {"as long as recorded", "150 data\r\n", "150 file\r\n226 done\r\n", 10},
      {"another length, the same end", "150 a: data follows\r\n", "150 abc: data follows\r\n226 done\r\n", 23},
      {"another length, another end", "150 9 bytes\r\n", "150 10 octets\r\n226 done\r\n", 15},
      {"the first is not over", "150 9 bytes\r\n", "150 10 octe", std::nullopt},
      {"binary", std::string_view("\1\2\3", 3), std::string_view("\1\2\3\4", 4), 3},
      {"binary, of another kind", std::string_view("\1\2\3", 3), std::string_view("\7\7\7\7", 4), std::nullopt},
  };
  for (const Row& row : rows)
    EXPECT_EQ(end_of_first(as_bytes(row.recorded), as_bytes(row.came)), row.end) << row.description;
}

}  // namespace
}  // namespace skep::replay
