#include "replay/lengths.h"

#include <gmock/gmock.h>

#include <string>

#include "replay/dialogue_test_rig.h"

namespace skep::replay {
namespace {

using test::bytes_of;
using test::Dialogue;

std::string with_zeroes(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c == '~' ? '\0' : c;
  return out;
}

TEST(Lengths, FollowATokenThatIsLongerThisTime) {
  struct Case {
    const char* what;
    std::string recorded, expected;  // with k3J9xQ2m, and with k3J9xQ2m1234
  };
  const Case cases[] = {
      {"Content-Length", "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nt=k3J9xQ2m",
       "POST / HTTP/1.1\r\nContent-Length: 14\r\n\r\nt=k3J9xQ2m1234"},
      {"Redis", "*2\r\n$3\r\nGET\r\n$8\r\nk3J9xQ2m\r\n", "*2\r\n$3\r\nGET\r\n$12\r\nk3J9xQ2m1234\r\n"},
      {"netstring", "10:T k3J9xQ2m,3:abc,", "14:T k3J9xQ2m1234,3:abc,"},
      {"IMAP, without waiting", "A1 LOGIN {8+}\r\nk3J9xQ2m x\r\n", "A1 LOGIN {12+}\r\nk3J9xQ2m1234 x\r\n"},
      {"memcached", "set a 0 0 10\r\nT k3J9xQ2m\r\n", "set a 0 0 14\r\nT k3J9xQ2m1234\r\n"},
      {"chunks", "PUT / HTTP/1.1\r\n\r\n8\r\nk3J9xQ2m\r\n3\r\nabc\r\n0\r\n\r\n",
       "PUT / HTTP/1.1\r\n\r\nc\r\nk3J9xQ2m1234\r\n3\r\nabc\r\n0\r\n\r\n"},
      {"DER within DER", with_zeroes("0\x0F\x02\x01\x01\x60\x0A\x04\x08k3J9xQ2m"),
       with_zeroes("0\x13\x02\x01\x01\x60\x0E\x04\x0Ck3J9xQ2m1234")},
      {"32 bits around 16", with_zeroes("~~~\x0Erun ~\x08k3J9xQ2m"), with_zeroes("~~~\x12run ~\x0Ck3J9xQ2m1234")},
      {"little-endian, of the whole message, and a zero behind", with_zeroes("\x11~\x01~\x09~~~k3J9xQ2m~"),
       with_zeroes("\x15~\x01~\x0D~~~k3J9xQ2m1234~")},
  };
  for (const Case& each : cases) {
    const Recording recording = Dialogue().client("a").server("id k3J9xQ2m.\r\n").client(each.recorded).take();
    const Plan plan = plan_echoes(recording);
    const std::vector<Bytes> answers = {{}, bytes_of("id k3J9xQ2m1234.\r\n")};
    const auto out = fill(recording, plan, 2, test::as_recorded(recording, answers));
    ASSERT_TRUE(out) << each.what << out.error().message;
    EXPECT_EQ(as_text(*out), each.expected) << each.what << "\n" << explain(recording, plan);
  }
}

TEST(Lengths, ANumberThatCountsNothingStays) {
  const Recording recording =
      Dialogue().client("a").server("id k3J9xQ2m.\r\n").client("GET /8?n=10&t=k3J9xQ2m HTTP/1.0\r\n\r\n").take();
  const Plan plan = plan_echoes(recording);
  ASSERT_EQ(plan.fields.size(), 1u) << explain(recording, plan);
  EXPECT_EQ(kind_of(plan.fields[0]), "echo");
}

}  // namespace
}  // namespace skep::replay
