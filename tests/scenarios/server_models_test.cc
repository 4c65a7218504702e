// Every shape of server, a hundred sessions at the same time, twenty of them bad. Each alert says in its arguments
// whose deed it was: it is on that session, by name or in a set that holds it, and on no other by name. SKEP_SOAK=N in
// the environment: N sessions for each shape, in rounds of a hundred.
#include <map>
#include <set>

#include "base/file.h"
#include "base/text.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

constexpr unsigned kSessions = 100;
constexpr unsigned kBad = 20;

// One signature is enough here, and lets io_uring through.
constexpr char kShellsOnly[] =
    "apiVersion: skep/v1\nkind: SignatureSet\nmetadata: {name: shells, version: 1}\nsignatures:\n"
    "  - {signature: shell_started, condition: \"evt.type = execve and proc.name in (sh, dash)\", action: deny}\n";

struct Model {
  const char* name;
  const char* verb;
  std::set<Confidence> expected;  // that may occur
  unsigned alerts = 1;            // of a bad session
  unsigned requests = 1;
  const char* proxy_more = "";
};

constexpr char kFewPorts[] = "source_ports: 40000-40031\n";

void PrintTo(const Model& model, std::ostream* out) {
  *out << model.name << " " << model.verb << " " << model.proxy_more;
}

// What became of the alerts of one or more rounds.
struct Outcome {
  unsigned alerts = 0;
  unsigned wrong = 0;    // on another session by name
  unsigned missing = 0;  // neither named nor in the set
  std::map<Confidence, unsigned> confidences;
  unsigned copies = 0;  // of alerts that name a set
};

// "… # 17." → 17.
unsigned doer_of(const Alert& alert) {
  const size_t end = alert.arguments.rfind('.');
  const size_t begin = alert.arguments.rfind(' ', end);
  if (end == std::string::npos || begin == std::string::npos) return UINT_MAX;
  return static_cast<unsigned>(std::atoi(alert.arguments.substr(begin + 1, end - begin - 1).c_str()));
}

class ServerModelsTest : public testing::TestWithParam<Model> {
 protected:
  void start() {
    const Model& model = GetParam();
    RigOptions options;
    const std::string server = Rig(options).program("model_server");
    options.services_monitor = fmt::format("  - {{name: model, command: [{}, --model, {}, \"{}:9000\"], port: 9000}}\n",
                                           server, model.name, testbed::kHoneypotAddress);
    options.services_proxy = fmt::format("  - {{name: model, listen: [\"{}:90\"], bait: bait1, address: {}:9000}}\n",
                                         testbed::kProxyOutside, testbed::kHoneypotAddress);
    options.proxy_more = fmt::format("connect_timeout_ms: 60000\nheartbeat_ms: 100\n{}", model.proxy_more);
    ASSERT_TRUE(write_file(signatures_.path() + "/shells.yaml", kShellsOnly));
    options.monitor_more = fmt::format("signatures: [{}/shells.yaml]", signatures_.path());
    rig_.emplace(options);
    const auto started = rig_->start();
    ASSERT_TRUE(started) << started.error().message;
  }

  // A hundred sessions; what was told of them.
  void round(unsigned number, Outcome& outcome) {
    const Model& model = GetParam();
    const auto said = rig_->attack({rig_->program("model_client"), "--sessions", std::to_string(kSessions), "--bad",
                                    std::to_string(kBad), "--seed", std::to_string(7 + number), "--verb", model.verb,
                                    "--first", std::to_string(number * kSessions), "--requests",
                                    std::to_string(model.requests), std::string(testbed::kProxyOutside) + ":90"});
    ASSERT_TRUE(said) << said.error().message << rig_->log("monitor");
    std::map<unsigned, unsigned> number_of_port;
    std::set<unsigned> bad;
    for (const std::string_view line : split(*said, '\n')) {
      if (line.empty()) continue;
      number_of_port[number_in(line, "port")] = number_in(line, "number");
      if (number_in(line, "bad") == 1) bad.insert(number_in(line, "number"));
    }
    ASSERT_EQ(bad.size(), kBad);
    // An alert may come 50 ms after its deed, a daemon's later.
    eventually([&] { return alerts_told() >= (number + 1) * kBad * model.alerts; }, 5'000);
    const auto sessions = rig_->sessions((number + 1) * kSessions);
    ASSERT_TRUE(sessions) << sessions.error().message;
    std::map<unsigned, std::vector<Alert>> alerts;  // by the session's number
    for (const archive::SessionSummary& session : *sessions) {
      if (!seen_.insert(session.id.value).second) continue;
      EXPECT_FALSE(session.unsupervised);
      const auto number_of = number_of_port.find(session.client.port);
      ASSERT_NE(number_of, number_of_port.end()) << "a session of port " << session.client.port;
      alerts[number_of->second] = session.alerts;
    }
    judge(alerts, bad, outcome);
  }

  size_t alerts_told() const {
    const std::string log = rig_->log("monitor");
    size_t count = 0;
    for (size_t at = 0; (at = log.find("alert shell_started", at)) != std::string::npos; ++at) ++count;
    return count;
  }

  void judge(const std::map<unsigned, std::vector<Alert>>& alerts, const std::set<unsigned>& bad, Outcome& outcome) {
    std::map<uint64_t, bool> found;  // by alert: its doer has it
    for (const auto& [number, told] : alerts) {
      for (const Alert& alert : told) {
        EXPECT_EQ(alert.rule, "shell_started");
        EXPECT_EQ(alert.action, AlertAction::killed);
        const unsigned doer = doer_of(alert);
        EXPECT_TRUE(bad.contains(doer)) << alert.arguments;
        found[alert.id] |= doer == number;
        if (alert.confidence == Confidence::none) {
          ++outcome.copies;
        } else if (doer != number) {
          ++outcome.wrong;
          ADD_FAILURE() << "session " << number << " is named for what " << doer
                        << " did: " << to_string(alert.confidence);
        }
        if (doer == number) ++outcome.confidences[alert.confidence];
        EXPECT_TRUE(GetParam().expected.contains(alert.confidence)) << to_string(alert.confidence);
      }
    }
    for (const auto& [id, is_found] : found) outcome.missing += is_found ? 0 : 1;
    outcome.alerts += static_cast<unsigned>(found.size());
    EXPECT_EQ(found.size(), kBad * GetParam().alerts);
  }

  Folder signatures_ = std::move(*Folder::make());
  std::optional<Rig> rig_;
  std::set<uint64_t> seen_;
};

TEST_P(ServerModelsTest, EachAlertIsOnTheSessionThatDidIt) {
  if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
  const char* const soak = std::getenv("SKEP_SOAK");
  const unsigned rounds = soak == nullptr ? 1 : static_cast<unsigned>(std::atoi(soak)) / kSessions;
  ASSERT_NO_FATAL_FAILURE(start());
  Outcome outcome;
  for (unsigned number = 0; number < rounds; ++number) ASSERT_NO_FATAL_FAILURE(round(number, outcome));
  EXPECT_EQ(outcome.wrong, 0u);
  EXPECT_EQ(outcome.missing, 0u);
  std::string words;
  for (const auto& [confidence, count] : outcome.confidences)
    words += fmt::format(" {} {}", count, to_string(confidence));
  std::printf("%s %s: %u sessions, %u alerts, %u wrong, %u missing;%s; sets hold %u in all\n", GetParam().name,
              GetParam().verb, rounds * kSessions, outcome.alerts, outcome.wrong, outcome.missing, words.c_str(),
              outcome.copies);
}

using enum Confidence;
// The label alone; the label, or an answer that agrees with it; two signs that may agree; what is in hand.
const std::set<Confidence> kLabel = {inherited};
const std::set<Confidence> kThreads = {inherited, confirmed};
const std::set<Confidence> kHanded = {confirmed, handoff, none};
const std::set<Confidence> kPutAside = {inherited, confirmed, handoff, none};

INSTANTIATE_TEST_SUITE_P(
    Models, ServerModelsTest,
    testing::Values(Model{"fork", "BAD", kLabel}, Model{"prefork", "BAD", kLabel}, Model{"thread", "BAD", kThreads},
                    Model{"pool", "BAD", kHanded}, Model{"pool", "TWICE", kHanded, 2}, Model{"loop", "BAD", kLabel},
                    Model{"lock", "BAD", kLabel}, Model{"deferred", "BAD", kPutAside}, Model{"loops", "BAD", kThreads},
                    Model{"unix", "BAD", kHanded}, Model{"pipes", "BAD", kHanded}, Model{"passed", "BAD", kLabel},
                    Model{"coroutine", "BAD", kHanded}, Model{"uring", "BAD", kPutAside},
                    Model{"keepalive", "BAD", kLabel, 1, 4}, Model{"fork", "LATER", kLabel},
                    Model{"pool", "AFTER", kHanded}, Model{"fork", "BAD", kLabel, 1, 1, kFewPorts},
                    Model{"pool", "BAD", kHanded, 1, 1, kFewPorts}, Model{"unix", "BAD", kHanded, 1, 1, kFewPorts}));

}  // namespace
}  // namespace skep::harness
