#include <gmock/gmock.h>

#include "replay/dialogue_test_rig.h"

namespace skep::replay {
namespace {

using test::bytes_of;
using test::Dialogue;

std::vector<std::string> kinds(const Plan& plan) {
  std::vector<std::string> out;
  for (const Field& field : plan.fields) out.emplace_back(kind_of(field));
  return out;
}

Plan planned(const Recording& one, const Recording& other) {
  auto plan = plan_two_recordings(one, other);
  EXPECT_TRUE(plan) << (plan ? "" : plan.error().message);
  return plan ? std::move(*plan) : Plan();
}

Recording said(std::string_view first, std::string_view server, std::string_view second) {
  return Dialogue().client(first).server(server).client(second).take();
}

TEST(TwoRecordings, FindEchoesThatOneWouldTakeForWords) {
  const Recording one = said("HELO\r\n", "welcome, peter!\r\n", "NAME peter 42\r\n");
  const Recording other = said("HELO\r\n", "welcome, susan!\r\n", "NAME susan 42\r\n");
  EXPECT_THAT(plan_echoes(one).fields, testing::IsEmpty());
  const Plan plan = planned(one, other);
  ASSERT_EQ(kinds(plan), (std::vector<std::string>{"echo"})) << explain(one, plan);
  const std::vector<Bytes> answers = {{}, bytes_of("welcome, jonathan!\r\n")};
  const auto out = fill(one, plan, 2, test::as_recorded(one, answers));
  ASSERT_TRUE(out);
  EXPECT_EQ(as_text(*out), "NAME jonathan 42\r\n");
}

TEST(TwoRecordings, AnEchoThatDoesNotHoldOfTheOtherIsNone) {
  const Recording one = said("HELO\r\n", "build 81924471\r\n", "ID 81924471\r\n");
  const Recording other = said("HELO\r\n", "build 55512345\r\n", "ID 81924471\r\n");
  EXPECT_EQ(plan_echoes(one).fields.size(), 1u);
  EXPECT_THAT(planned(one, other).fields, testing::IsEmpty());
}

TEST(TwoRecordings, ALengthCountsAlsoWhatTheClientChose) {
  const auto form = [](std::string_view token, std::string_view name, int bytes) {
    return said("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n<input value=\"" + std::string(token) + "\">",
                "POST / HTTP/1.1\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\ntoken=" + std::string(token) +
                    "&name=" + std::string(name));
  };
  const Recording one = form("a81kd02mzq", "bee", 25), other = form("77qpx2hfa0", "bumblebee", 31);
  const Plan plan = planned(one, other);
  EXPECT_EQ(kinds(plan), (std::vector<std::string>{"length", "echo", "chosen"})) << explain(one, plan);
  const auto out =
      fill(one, plan, 2, test::as_recorded(one, {{}, bytes_of("HTTP/1.1 200 OK\r\n\r\n<input value=\"zz00\">")}));
  ASSERT_TRUE(out);
  EXPECT_NE(as_text(*out).find("Content-Length: 19\r\n"), std::string_view::npos) << as_text(*out);
}

TEST(TwoRecordings, WhatTheClientVariesBeforeAnyNonceItHasChosen) {
  const Recording one = said("ID 8f14e45fceea167a5a36dedd4bea2543\r\n", "hello\r\n", "RUN\r\n");
  const Recording other = said("ID c9f0f895fb98ab9159f51fd0297e236d\r\n", "hello\r\n", "RUN\r\n");
  EXPECT_EQ(kinds(planned(one, other)), (std::vector<std::string>{"chosen"}));
}

TEST(TwoRecordings, WhatVariesBehindANonceIsUnresolved) {
  const Recording one =
      said("HELO\r\n", "nonce 7b4cf21d8e6a90b35c\r\n", "ANSWER 8f14e45fceea167a5a36dedd4bea2543 q7Zk2Wx9Lp4v\r\n");
  const Recording other =
      said("HELO\r\n", "nonce 1d90aa72c3f5e8b416\r\n", "ANSWER c9f0f895fb98ab9159f51fd0297e236d m3Jt8Rb5Nc1y\r\n");
  EXPECT_EQ(kinds(planned(one, other)), (std::vector<std::string>{"crypto", "unresolved"}))
      << explain(one, planned(one, other));
}

TEST(TwoRecordings, OfOtherDialoguesAreRefused) {
  const Recording one = said("A\r\n", "b\r\n", "C\r\n");
  Dialogue long_one;
  for (int i = 0; i < 100; ++i) long_one.client("x").server("y");
  EXPECT_FALSE(plan_two_recordings(one, long_one.take()));
  EXPECT_FALSE(plan_two_recordings(one, Dialogue().server("220 hello\r\n").take()));
}

TEST(TwoRecordings, OneMayHaveAStepMore) {
  const Recording one = Dialogue()
                            .client("USER a\r\n")
                            .server("331\r\n")
                            .client("PASS b\r\n")
                            .server("230 id k3J9xQ2m.\r\n")
                            .client("RUN k3J9xQ2m\r\n")
                            .take();
  const Recording other = Dialogue()
                              .server("220 hello\r\n")
                              .client("USER a\r\n")
                              .server("331\r\n")
                              .client("PASS b\r\n")
                              .server("230 id 7Tz0pLw4.\r\n")
                              .client("RUN 7Tz0pLw4\r\n")
                              .take();
  EXPECT_EQ(kinds(planned(one, other)), (std::vector<std::string>{"echo"}));
}

}  // namespace
}  // namespace skep::replay
