#include <gmock/gmock.h>

#include <string>

#include "replay/dialogue_test_rig.h"
#include "replay/locate.h"

namespace skep::replay {
namespace {

using test::bytes_of;
using test::Dialogue;

Place place_of(const Recording& recording, uint32_t message, std::string_view text) {
  const size_t at = as_text(recording.messages[message].bytes).find(text);
  EXPECT_NE(at, std::string_view::npos) << text;
  return {message, static_cast<uint32_t>(at), static_cast<uint32_t>(text.size())};
}

Field echo(const Recording& recording, Place source, Place place, Form read = Form::identity,
           Form write = Form::identity) {
  Echo echo;
  echo.source = source;
  echo.read = read;
  echo.write = write;
  take_context(recording.messages[source.message].bytes, echo);
  return {place, echo, ""};
}

std::string filled(const Recording& recording, const Plan& plan, uint32_t message, std::vector<Bytes> answers) {
  const auto out = fill(recording, plan, message, test::as_recorded(recording, answers));
  return out ? std::string(as_text(*out)) : "error: " + out.error().message;
}

TEST(Fill, TakesAValueFromTheAnswerByWhatStandsAroundIt) {
  const Recording recording =
      Dialogue().client("GET / ").server("Set-Cookie: sid=abc123; path=/").client("Cookie: sid=abc123\n").take();
  Plan plan;
  plan.fields = {echo(recording, place_of(recording, 1, "abc123"), place_of(recording, 2, "abc123"))};
  EXPECT_EQ(filled(recording, plan, 2, {{}, bytes_of("Date: now\r\nSet-Cookie: sid=zzzzzzz99; path=/")}),
            "Cookie: sid=zzzzzzz99\n");
  EXPECT_EQ(filled(recording, plan, 2, test::recorded_answers(recording)), "Cookie: sid=abc123\n");
}

TEST(Fill, AnAnswerWithoutTheValueIsAnError) {
  const Recording recording = Dialogue().client("a").server("tok=abc123;").client("abc123").take();
  Plan plan;
  plan.fields = {echo(recording, place_of(recording, 1, "abc123"), place_of(recording, 2, "abc123"))};
  EXPECT_THAT(filled(recording, plan, 2, {{}, bytes_of("500 no")}), testing::StartsWith("error: "));
  EXPECT_FALSE(holds_all_sources(recording, plan, 1, as_bytes("tok=zz")));
  EXPECT_TRUE(holds_all_sources(recording, plan, 1, as_bytes("tok=zz;")));
}

TEST(Fill, TheSecondOfTwoValuesBehindTheSameWordsStaysTheSecond) {
  const Recording recording = Dialogue().client("a").server("id=11111, id=22222, ").client("22222").take();
  Plan plan;
  plan.fields = {echo(recording, place_of(recording, 1, "22222"), place_of(recording, 2, "22222"))};
  EXPECT_EQ(filled(recording, plan, 2, {{}, bytes_of("id=3, id=4, ")}), "4");
}

TEST(Fill, LengthsFollowWhatTheyLieAround) {
  const Recording recording =
      Dialogue().client("a").server("tok=abc123;").client("POST\r\nContent-Length: 8\r\n\r\nt=abc123\r\n").take();
  const Place value = place_of(recording, 2, "t=abc123");
  Plan plan;
  Length length;
  length.from = value.offset;
  length.to = value.offset + value.bytes;
  plan.fields = {{{2, place_of(recording, 2, " 8").offset + 1, 1}, length, ""},
                 echo(recording, place_of(recording, 1, "abc123"), place_of(recording, 2, "abc123"))};
  EXPECT_EQ(filled(recording, plan, 2, {{}, bytes_of("tok=0123456789;")}),
            "POST\r\nContent-Length: 12\r\n\r\nt=0123456789\r\n");
}

TEST(Fill, AMessageThatATwinLeavesOutIsEmptyWhateverThePlanHasThere) {
  Recording recording =
      Dialogue().client("a").server("tok=abc123;").client("X {6}\r\n").server("+ go\r\n").client("abc123").take();
  Plan plan;
  Length length;
  length.of_message = 4;
  plan.fields = {{{2, 3, 1}, length, ""}, echo(recording, place_of(recording, 1, "abc123"), {4, 0, 6})};
  recording.messages[4].bytes.clear();
  const std::vector<Bytes> answers = {{}, bytes_of("tok=0123456789;")};
  EXPECT_EQ(filled(recording, plan, 4, answers), "");
  EXPECT_EQ(filled(recording, plan, 2, answers), "X {0}\r\n");
}

TEST(Fill, ALengthMayBeOfWhatIsSentLater) {
  const Recording recording =
      Dialogue().client("a").server("tok=abc123;").client("X {6}\r\n").server("+ go\r\n").client("abc123").take();
  Plan plan;
  Length length;
  length.of_message = 4;
  plan.fields = {{{2, 3, 1}, length, ""}, echo(recording, place_of(recording, 1, "abc123"), {4, 0, 6})};
  EXPECT_EQ(filled(recording, plan, 2, {{}, bytes_of("tok=0123456789;")}), "X {10}\r\n");
}

TEST(Fill, ChecksumsComeLast) {
  std::string packet = "$abc123#";
  const auto sum = [](std::string_view text) {
    unsigned all = 0;
    for (const char c : text) all += static_cast<unsigned char>(c);
    return fmt::format("{:02x}", all & 0xFF);
  };
  const Recording recording = Dialogue().client("a").server("tok=abc123;").client(packet + sum("abc123")).take();
  Plan plan;
  plan.fields = {echo(recording, place_of(recording, 1, "abc123"), place_of(recording, 2, "abc123")),
                 {{2, 8, 2}, Checksum{ChecksumKind::sum8, 1, 7, Form::hex_lower}, ""}};
  EXPECT_EQ(filled(recording, plan, 2, {{}, bytes_of("tok=zz;")}), "$zz#" + sum("zz"));
}

TEST(Fill, FormsKeepTheStyleThatWasRecorded) {
  struct Case {
    const char* what;
    Form read, write;
    std::string_view said, wrote, answer, expected;
  };
  const Case cases[] = {
      {"raw to percent", Form::identity, Form::percent, "t=ab+/=;", "ab%2b%2f%3d", "t=c+=;", "c%2b%3d"},
      {"blank as plus", Form::identity, Form::percent, "t=a b/;", "a+b%2F", "t=c d/;", "c+d%2F"},
      {"JSON to raw", Form::json, Form::identity, "t=a\\/b;", "a/b", "t=c\\/d;", "c/d"},
      {"HTML to percent", Form::html, Form::percent, "t=a&amp;b'", "a%26b", "t=c&amp;d'", "c%26d"},
      {"raw to hex", Form::identity, Form::hex_upper, "t=abcd;", "61626364", "t=\xFF\xFE\x01\x02;", "FFFE0102"},
      {"raw to base64", Form::identity, Form::base64, "t=abcd;", "YWJjZA==", "t=abce;", "YWJjZQ=="},
      {"base64url without padding", Form::identity, Form::base64url, "t=abcd;", "YWJjZA", "t=abce;", "YWJjZQ"},
      {"UTF-16", Form::identity, Form::utf16le, "t=ab;", std::string_view("a\0b\0", 4), "t=xyz;",
       std::string_view("x\0y\0z\0", 6)},
      {"decimal to little-endian", Form::decimal, Form::le32, "t=258;", std::string_view("\2\1\0\0", 4), "t=513;",
       std::string_view("\1\2\0\0", 4)},
      {"big-endian to decimal", Form::be32, Form::decimal, std::string_view("t=\0\0\1\2;", 7), "258",
       std::string_view("t=\0\0\2\1;", 7), "513"},
      {"hex number of a width", Form::decimal, Form::hex_number, "t=10;", "000a", "t=255;", "00ff"},
      {"octets to decimal", Form::octet_pair, Form::decimal, "(4,1)", "1025", "(4,2)", "1026"},
  };
  for (const Case& each : cases) {
    const Recording recording = Dialogue().client("a").server(each.said).client(each.wrote).take();
    const Place source{1, each.said[0] == '(' ? 1u : 2u,
                       static_cast<uint32_t>(each.said.size() - (each.said[0] == '(' ? 2 : 3))};
    Plan plan;
    plan.fields = {echo(recording, source, {2, 0, static_cast<uint32_t>(each.wrote.size())}, each.read, each.write)};
    EXPECT_EQ(filled(recording, plan, 2, {{}, bytes_of(each.answer)}), each.expected) << each.what;
    EXPECT_EQ(filled(recording, plan, 2, test::recorded_answers(recording)), each.wrote) << each.what;
  }
}

TEST(Fill, AddressesAreThoseOfThisConnection) {
  const Recording recording = Dialogue().client("Host: 198.51.100.3:8080 PORT 192,0,2,7,4,1").take();
  Plan plan;
  plan.fields = {{place_of(recording, 0, "198.51.100.3"), Address{AddressOf::target_address, Form::identity}, ""},
                 {place_of(recording, 0, "8080"), Address{AddressOf::target_port, Form::decimal}, ""},
                 {place_of(recording, 0, "192,0,2,7"), Address{AddressOf::own_address, Form::octet_pair}, ""},
                 {place_of(recording, 0, "4,1"), Address{AddressOf::sink_port, Form::octet_pair}, ""}};
  Surroundings around;
  around.target = *parse_endpoint("10.0.0.1:80");
  around.own = *parse_endpoint("10.0.0.2:5000");
  around.sink_port = 513;
  const auto out = fill(recording, plan, 0, around);
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_EQ(as_text(*out), "Host: 10.0.0.1:80 PORT 10,0,0,2,2,1");
}

TEST(Fill, TheClockIsAsFarFromTheMessageAsItWas) {
  const Recording recording = Dialogue().client("t=1790000001").take();
  Plan plan;
  plan.fields = {{place_of(recording, 0, "1790000001"), Clock{}, ""}};
  Surroundings around;
  around.now_ns = recording.messages[0].begun_ns + 100'000'000'000;
  const auto out = fill(recording, plan, 0, around);
  ASSERT_TRUE(out);
  EXPECT_EQ(as_text(*out), "t=1790000101");
}

TEST(Fill, ANamedPortIsReadFromThisAnswer) {
  const Recording recording = Dialogue()
                                  .client("PASV\r\n")
                                  .server("227 Passive (198,51,100,3,4,1).\r\n")
                                  .opens("198.51.100.3:1025")
                                  .client("x")
                                  .take();
  Plan plan;
  NamedPort named;
  named.connection = 1;
  named.port.source = place_of(recording, 1, "4,1");
  named.port.read = Form::octet_pair;
  take_context(recording.messages[1].bytes, named.port);
  plan.named_ports = {named};
  const std::vector<Bytes> answers = {{}, bytes_of("227 Passive (10,0,0,1,2,1).\r\n")};
  EXPECT_EQ(named_port(recording, plan, 1, test::as_recorded(recording, answers)), 513);
  EXPECT_FALSE(holds_all_sources(recording, plan, 1, as_bytes("227 Passive (10,0,0,1")));
  // What stood before it stands elsewhere by chance.
  const std::vector<Bytes> by_chance = {{}, bytes_of("227 Passive (10,0,0,1,33,1).\r\n")};
  EXPECT_EQ(named_port(recording, plan, 1, test::as_recorded(recording, by_chance)), 33 * 256 + 1);
}

}  // namespace
}  // namespace skep::replay
