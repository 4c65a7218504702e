#include "replay/compare.h"

#include <gtest/gtest.h>

#include "replay/test_dialogue.h"

namespace skep::replay {
namespace {

ByteView view(std::string_view text) {
  return as_bytes(text);
}

TEST(CompareTest, AStatusIsReadWhereThereIsOne) {
  struct Row {
    std::string_view answer, status;
  };
  for (const Row& row :
       {Row{"HTTP/1.1 404 Not Found\r\n", "HTTP 4"}, Row{"HTTP/1.0 200 OK", "HTTP 2"},
        Row{"230 Login successful.\r\n", "2"}, Row{"530-no\r\n", "5"}, Row{"+OK\r\n", "+"},
        Row{"-ERR unknown command\r\n", "-"}, Row{"a1 NO [AUTH]\r\n", "NO"}, Row{"a1 OK done\r\n", "OK"},
        Row{std::string_view("\x00\x01\x02", 3), ""}, Row{"", ""}, Row{"12", ""}, Row{"200", ""}})
    EXPECT_EQ(status_class(view(row.answer)), row.status) << row.answer;
}

TEST(CompareTest, WhatChangedBetweenTwoGoodAttemptsMayChangeAgain) {
  const Expected expected(view("Set-Cookie: sid=aa11; date=10:00 welcome back"),
                          view("Set-Cookie: sid=bb22; date=11:31 welcome back"));
  EXPECT_EQ(expected.share_in(view("Set-Cookie: sid=cc33; date=23:59 welcome back")), 1);
  EXPECT_FALSE(expected.differs(view("Set-Cookie: sid=cc33; date=23:59 welcome back")));
  EXPECT_TRUE(expected.differs(view("Go away")));
  EXPECT_TRUE(expected.differs(view("")));
}

TEST(CompareTest, TwoRandomBinaryAnswersSayNothing) {
  const Expected expected(view("\xa1\xb2\xc3\xd4"), view("\xe5\xf6\xa7\xb8"));
  EXPECT_FALSE(expected.differs(view("\x91\x92")));
}

TEST(CompareTest, AnotherStatusIsAnotherAnswerHoweverAlikeTheRestIs) {
  const Expected expected(view("HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 3\r\n\r\nabc"));
  EXPECT_TRUE(expected.differs(view("HTTP/1.1 500 OK\r\nServer: x\r\nContent-Length: 3\r\n\r\nabc")));
  EXPECT_FALSE(expected.differs(view("HTTP/1.1 201 OK\r\nServer: x\r\nContent-Length: 3\r\n\r\nabc")));
}

TEST(CompareTest, WhatTheClientSaidItselfIsLeftOut) {
  const Expected expected(view("you said: shibboleth"));
  EXPECT_FALSE(expected.without({bytes_of("say shibboleth")}).differs(view("you said: nothing")));
  EXPECT_TRUE(expected.without({bytes_of("say shibboleth")}).differs(view("mumble")));
}

TEST(CompareTest, TheFirstAnswerBeforeTheTriggerThatIsAnotherIsNamed) {
  const Recording recording = dialogue({"<220 hello", ">USER x", "<331 go on", ">PASS y", "<230 in", ">SITE EXEC"}, 5);
  std::vector<Bytes> recorded;
  for (const Message& message : recording.messages) recorded.push_back(message.bytes);
  Attempt attempt = attempt_as_recorded(recording);
  EXPECT_EQ(divergence(recording, expected_of(recorded, {}), attempt, 5), std::nullopt);
  attempt.answers[4] = bytes_of("530 no");
  EXPECT_EQ(divergence(recording, expected_of(recorded, {}), attempt, 5), 4u);
  EXPECT_EQ(divergence(recording, expected_of(recorded, {}), attempt, 3), std::nullopt);
}

}  // namespace
}  // namespace skep::replay
