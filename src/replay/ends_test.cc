#include "replay/ends.h"

#include <gmock/gmock.h>

#include <string>

#include "replay/dialogue_test_rig.h"

namespace skep::replay {
namespace {

using test::Dialogue;

std::string elsewhere(const Recording& recording, uint32_t message) {
  Surroundings around;
  around.target = *parse_endpoint("10.0.0.1:80");
  around.own = *parse_endpoint("10.0.0.2:5000");
  around.sink_port = 513;
  around.now_ns = recording.messages[message].begun_ns + 100'000'000'000;
  const auto out = fill(recording, plan_echoes(recording), message, around);
  return out ? std::string(as_text(*out)) : out.error().message;
}

// The client's 192.0.2.7 connects to 198.51.100.3:8080, at 1790000000.
TEST(Ends, AreWrittenAsTheyAreThisTime) {
  struct Case {
    const char* what;
    std::string recorded, expected;
  };
  const std::string sockaddr("\0\2\x1F\x90\xC6\x33\x64\3\0\0", 10), other("\0\2\0\x50\x0A\0\0\1\0\0", 10);
  const Case cases[] = {
      {"Host", "GET / HTTP/1.1\r\nHost: 198.51.100.3:8080\r\n\r\n", "GET / HTTP/1.1\r\nHost: 10.0.0.1:80\r\n\r\n"},
      {"a longer address is another", "x 198.51.100.30 1198.51.100.3 198.51.100.3.4\r\n",
       "x 198.51.100.30 1198.51.100.3 198.51.100.3.4\r\n"},
      {"PORT", "PORT 192,0,2,7,4,1\r\n", "PORT 10,0,0,2,2,1\r\n"},
      {"EPRT", "EPRT |1|192.0.2.7|6275|\r\n", "EPRT |1|10.0.0.2|513|\r\n"},
      {"the attacker's address", "wget http://192.0.2.7/x\r\n", "wget http://10.0.0.2/x\r\n"},
      {"sockaddr_in", sockaddr, other},
      {"seconds", "t=1790000003&x\r\n", "t=1790000103&x\r\n"},
      {"milliseconds", "t=1790000003123&x\r\n", "t=1790000103123&x\r\n"},
      {"hex", "t=6AB13B83;\r\n", "t=6AB13BE7;\r\n"},
      {"another day's", "t=1780000003&x\r\n", "t=1780000003&x\r\n"},
  };
  for (const Case& each : cases) {
    const Recording recording = Dialogue().client(each.recorded).take();
    EXPECT_EQ(elsewhere(recording, 0), each.expected) << each.what << "\n"
                                                      << explain(recording, plan_echoes(recording));
  }
}

TEST(Ends, PortsThatTheServiceNamedAreFound) {
  for (const char* said :
       {"227 Entering Passive Mode (198,51,100,3,24,131).\r\n", "229 Extended (|||6275|)\r\n", "{\"port\": 6275}"}) {
    const Recording recording =
        Dialogue().client("PASV\r\n").server(said).opens("198.51.100.3:6275").client("x").take();
    const Plan plan = plan_echoes(recording);
    ASSERT_EQ(plan.named_ports.size(), 1u) << said;
    std::vector<Bytes> answers = test::recorded_answers(recording);
    EXPECT_EQ(named_port(recording, plan, 1, test::as_recorded(recording, answers)), 6275) << said;
  }
}

}  // namespace
}  // namespace skep::replay
