#include "formats/bistream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/doc_page.h"

namespace skep::formats {
namespace {

using testing::ElementsAre;

struct Read {
  std::vector<std::string> pieces;  // "in abc"
  BistreamHead head;
  std::string error;
};

// `room`: so many bytes at a time.
Read read(std::string_view text, size_t room = 3) {
  Read done;
  BistreamReader reader([&](std::span<uint8_t> into) {
    const size_t bytes = std::min({room, into.size(), text.size()});
    std::copy_n(text.begin(), bytes, into.begin());
    text.remove_prefix(bytes);
    return bytes;
  });
  const auto whole = reader.read([&](Direction direction, ByteView bytes) {
    done.pieces.push_back((direction == Direction::to_bait ? "in " : "out ") + std::string(as_text(bytes)));
    return true;
  });
  if (!whole) done.error = whole.error().message;
  done.head = reader.head();
  return done;
}

TEST(BistreamTest, EveryDialectOfAListIsRead) {
  struct Case {
    const char* description;
    std::string text;
    std::vector<std::string> pieces;
  };
  const Case cases[] = {
      {"as Dionaea writes it", "stream = [('in', b'GET /\\x0d\\n'),\n('out', b'200')]\n", {"in GET /\r\n", "out 200"}},
      {"of Python 2, without b", "stream = [('in', 'a'), ('out', 'b')]", {"in a", "out b"}},
      {"double quotes", "stream=[(\"in\", b\"it's\"), (\"out\", b'say \"x\"')]", {"in it's", "out say \"x\""}},
      {"every escape",
       R"(stream = [('in', b'\\\'\"\a\b\f\n\r\t\v\x00\xFf\0\12\377\q')])",
       {"in " + std::string("\\'\"\a\b\f\n\r\t\v\0\xff\0\12\377\\q", 17)}},
      {"a zero before a digit",
       "stream = [('in', b'\\0009')]",
       {std::string("in \0"
                    "9",
                    5)}},
      {"bytes that are no ASCII", "stream = [('in', '\xc3\xa4\xff')]", {"in \xc3\xa4\xff"}},
      {"texts one after the other", "stream = [('in', b'ab' b'cd'\n 'ef')]", {"in abcdef"}},
      {"a line that goes on", "stream = [('in', b'ab\\\ncd')]", {"in abcd"}},
      {"lists in the list, and commas at their ends", "stream = [['in', b'a',], ('out', b'b',),]", {"in a", "out b"}},
      {"the list alone", "[('in', b'a')]", {"in a"}},
      {"nothing", "stream = []", {}},
      {"a piece of no bytes", "stream = [('in', b'')]", {"in "}},
      {"comments", "# a\nstream = [ # b\n('in', b'#'), # c\n]\n# d", {"in #"}}};
  for (const Case& each : cases) {
    SCOPED_TRACE(each.description);
    EXPECT_TRUE(looks_like_bistream(each.text));
    for (const size_t room : {1, 2, 1000}) {
      const Read done = read(each.text, room);
      EXPECT_EQ(done.error, "");
      EXPECT_EQ(done.pieces, each.pieces);
    }
  }
}

TEST(BistreamTest, WhatIsNotUnderstoodIsNamedWithItsLine) {
  struct Case {
    const char* text;
    const char* error;
  };
  const Case cases[] = {
      {"stream = [('in', b'a'),\n('in', b'b\n')]", "line 2: a line ends within a string"},
      {"stream = [('in', b'''a''')]", "line 1: texts in triple quotes are not read"},
      {"stream = [('in', b'\\xg0')]", "line 1: two hexadecimal digits must follow \\x"},
      {"stream = [('in', b'\\777')]", "line 1: \\777 is no byte"},
      {"stream = [('up', b'a')]", "line 1: 'up' is neither 'in' nor 'out'"},
      {"stream = [('in', open('/etc/passwd'))]",
       "line 1: 'o' stands where a text in quotes, with b before it or nothing should"},
      {"stream = [('in', r'a')]", "line 1: 'r' stands where a text in quotes, with b before it or nothing should"},
      {"stream = [('in' b'a')]", "line 1: 'ina' is neither 'in' nor 'out'"},
      {"stream = [('in', b'a') ('in', b'b')]", "line 1: '(' stands where ',' should"},
      {"stream = [('in', b'a'", "line 1: the end of the text stands where ')' should"},
      {"stream = [('in', b'a", "line 1: the text ends within a string"},
      {"stream = [('in', b'a'),\n\n", "line 3: the list is not closed"},
      {"stream = [('in', b'a')]\nimport os", "line 2: 'i' stands where nothing more should"},
      {"streams = []", "line 1: 's' stands where '=' should"},
      {"", "line 1: the end of the text stands where 'stream' should"}};
  for (const Case& each : cases) EXPECT_EQ(read(each.text).error, each.error) << each.text;
}

TEST(BistreamTest, OfADamagedOneTheBeginningIsRead) {
  const Read done = read("stream = [('in', b'whole'),\n('out', b'a half\\x0");
  EXPECT_THAT(done.pieces, ElementsAre("in whole", "out a half"));
  EXPECT_EQ(done.error, "line 2: two hexadecimal digits must follow \\x");
}

TEST(BistreamTest, AnEndlessPieceIsRefused) {
  uint64_t given = 0;
  BistreamReader reader([&](std::span<uint8_t> room) {
    static constexpr std::string_view kBegin = "stream = [('in', b'";
    std::ranges::fill(room, 'a');
    if (given == 0) std::ranges::copy(kBegin, room.begin());
    given += room.size();
    return room.size();
  });
  uint64_t taken = 0;
  const auto read = reader.read([&](Direction, ByteView bytes) {
    taken += bytes.size();
    return true;
  });
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message, "line 1: a piece is longer than 64 MiB");
  EXPECT_EQ(taken, kBistreamPieceMax);
}

std::string written(const BistreamHead& head, const std::vector<std::pair<Direction, std::string>>& pieces) {
  std::string text;
  BistreamWriter writer([&](ByteView bytes) {
    text += as_text(bytes);
    return true;
  });
  writer.begin(head);
  for (const auto& [direction, bytes] : pieces) writer.piece(direction, as_bytes(bytes));
  writer.end();
  return text;
}

TEST(BistreamTest, WhatIsWrittenIsReadAgain) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  BistreamHead head;
  head.client = parse_endpoint("192.0.2.1:4000");
  head.server = parse_endpoint("[2001:db8::1]:53");
  head.begun_ns = 1'700'000'000'123'456'000;
  head.protocol = Protocol::udp;
  const Read done =
      read(written(head, {{Direction::to_bait, all}, {Direction::to_client, ""}, {Direction::to_client, "'\\\""}}), 7);
  EXPECT_EQ(done.error, "");
  EXPECT_THAT(done.pieces, ElementsAre("in " + all, "out ", "out '\\\""));
  EXPECT_EQ(done.head.client, head.client);
  EXPECT_EQ(done.head.server, head.server);
  EXPECT_EQ(done.head.begun_ns, head.begun_ns);
  EXPECT_EQ(done.head.protocol, head.protocol);
  EXPECT_THAT(read(written({}, {})).pieces, ElementsAre());
}

TEST(BistreamTest, OtherTextLooksOtherwise) {
  for (const char* const text : {"", "[{\"a\": 1}]", "{\"stream\": 1}", "stream", "# only\n", "import os\nstream = []"})
    EXPECT_FALSE(looks_like_bistream(text)) << text;
}

// The page's example, read and written, is the bytes that it says.
TEST(BistreamTest, ThePageSaysWhatIsDone) {
  const std::string page = source_text("docs/formats/bistream.md");
  const auto texts = fenced_blocks(page, "python");
  const auto bytes = fenced_blocks(page, "hex");
  ASSERT_EQ(texts.size(), 2U);
  ASSERT_EQ(bytes.size(), 2U);
  const Read done = read(texts[0]);
  EXPECT_EQ(done.error, "");
  EXPECT_THAT(done.pieces, ElementsAre("in " + std::string(as_text(bytes_of_hex(bytes[0]))),
                                       "out " + std::string(as_text(bytes_of_hex(bytes[1])))));
  BistreamHead head;
  head.client = parse_endpoint("192.0.2.1:4000");
  head.server = parse_endpoint("192.0.2.2:21");
  head.begun_ns = *parse_time("2026-03-30T00:00:07.784231Z");
  EXPECT_EQ(written(head, {{Direction::to_bait, std::string(as_text(bytes_of_hex(bytes[0])))},
                           {Direction::to_client, std::string(as_text(bytes_of_hex(bytes[1])))}}),
            texts[1]);
}

}  // namespace
}  // namespace skep::formats
