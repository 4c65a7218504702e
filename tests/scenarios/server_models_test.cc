// Five shapes of server, a hundred sessions at the same time, twenty of them bad: every alert on its own session, no
// other tagged; and again with only 32 source ports between proxy and bait.
#include <map>

#include "base/text.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

struct Model {
  const char* name;
  const char* source_ports;
};

void PrintTo(const Model& model, std::ostream* out) {
  *out << model.name << " " << model.source_ports;
}

class ServerModelsTest : public testing::TestWithParam<Model> {};

TEST_P(ServerModelsTest, TagsExactlyTheBadSessions) {
  if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
  RigOptions options;
  Rig rig(options);
  const std::string server = rig.program("model_server");
  options.services_monitor = fmt::format("  - {{name: model, command: [{}, --model, {}, \"{}:9000\"], port: 9000}}\n",
                                         server, GetParam().name, testbed::kHoneypotAddress);
  options.services_proxy = fmt::format("  - {{name: model, listen: [\"{}:90\"], bait: bait1, address: {}:9000}}\n",
                                       testbed::kProxyOutside, testbed::kHoneypotAddress);
  options.proxy_more = fmt::format("connect_timeout_ms: 60000\nheartbeat_ms: 100\n{}", GetParam().source_ports);
  Rig whole(options);
  const auto started = whole.start();
  ASSERT_TRUE(started) << started.error().message;
  const auto said = whole.attack({rig.program("model_client"), "--sessions", "100", "--bad", "20", "--seed", "7",
                                  std::string(testbed::kProxyOutside) + ":90"});
  ASSERT_TRUE(said) << said.error().message << whole.log("monitor");
  std::map<unsigned, bool> bad;
  for (const std::string_view line : split(*said, '\n')) {
    if (!line.empty()) bad[number_in(line, "port")] = number_in(line, "bad") == 1;
  }
  ASSERT_EQ(bad.size(), 100u);
  const auto sessions = whole.sessions(100);
  ASSERT_TRUE(sessions) << sessions.error().message;
  ASSERT_EQ(sessions->size(), 100u);
  std::map<Confidence, int> confidences;
  int right = 0;
  for (const archive::SessionSummary& session : *sessions) {
    const SessionClass expected = bad.at(session.client.port) ? SessionClass::attack : SessionClass::harmless;
    EXPECT_EQ(session.session_class, expected) << to_string(session.id) << " " << to_string(session.session_class);
    right += session.session_class == expected ? 1 : 0;
    for (const Alert& alert : session.alerts) {
      ++confidences[alert.confidence];
      EXPECT_EQ(alert.rule, "shell_started");
      EXPECT_EQ(alert.action, AlertAction::killed);
    }
    EXPECT_FALSE(session.unsupervised);
  }
  std::string words;
  for (const auto& [confidence, count] : confidences) words += fmt::format(" {} {}", count, to_string(confidence));
  std::printf("%s: %d of 100 sessions right; alerts:%s\n", GetParam().name, right, words.c_str());
}

INSTANTIATE_TEST_SUITE_P(
    Models, ServerModelsTest,
    testing::Values(Model{"fork", ""}, Model{"prefork", ""}, Model{"thread", ""}, Model{"pool", ""}, Model{"loop", ""},
                    Model{"fork", "source_ports: 40000-40031\n"}, Model{"prefork", "source_ports: 40000-40031\n"},
                    Model{"thread", "source_ports: 40000-40031\n"}, Model{"pool", "source_ports: 40000-40031\n"},
                    Model{"loop", "source_ports: 40000-40031\n"}));

}  // namespace
}  // namespace skep::harness
