// Replay, tried with real services: dialogues of tests/dialogues, each recorded at a vulnerable bait and sent again.
// SKEP_REPLAY_RECORDINGS: how many recordings a dialogue has (3). SKEP_REPLAY_DIALOGUES: `all`, also those that
// `make test` does without, or the names of some, with commas between them.
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>

#include "base/file.h"
#include "base/text.h"
#include "cli/session_text.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

constexpr char kDialogues[] = SKEP_SOURCE "/tests/dialogues/dialogues.py";
constexpr char kPython[] = "/usr/bin/python3";
constexpr uint16_t kFirstPort = 9000;
constexpr uint16_t kPortsOfOne = 10;  // of a variant of a dialogue's service
constexpr int kVisitMs = 60'000;
constexpr int kListeningMs = 60'000;  // all of them start at the same time

struct Dialogue {
  std::string name;
  bool crypto = false;
  std::string rule;                    // "-": its last step shows nothing
  std::string missing;                 // of what it needs
  uint16_t vulnerable = 0, fixed = 0;  // ports, of the honeypot host and of the proxy
};

// gtest names the test by it.
void PrintTo(const Dialogue& dialogue, std::ostream* to) {
  *to << dialogue.name;
}

size_t recordings_wanted() {
  const char* said = ::getenv("SKEP_REPLAY_RECORDINGS");
  const int number = said == nullptr ? 3 : std::atoi(said);
  return number < 1 ? 1 : static_cast<size_t>(number);
}

// What a command of dialogues.py prints, a line each; none where it failed.
std::vector<std::string> ask(const std::vector<std::string>& words) {
  auto folder = Folder::make();
  if (!folder) return {};
  const std::string out = folder->path() + "/out";
  std::vector<std::string> command = {kPython, kDialogues};
  command.insert(command.end(), words.begin(), words.end());
  const auto done = testbed::run_to_end(command, {{}, folder->path() + "/err", out});
  EXPECT_TRUE(done) << done.error().message;
  const std::string text = read_file(out).value_or("");
  std::vector<std::string> lines;
  for (const std::string_view line : split(text, '\n')) {
    if (!line.empty()) lines.emplace_back(line);
  }
  return lines;
}

bool is_wanted(std::string_view name, bool always) {
  const char* said = ::getenv("SKEP_REPLAY_DIALOGUES");
  if (said == nullptr) return always;
  const auto names = split(said, ',');
  return std::string_view(said) == "all" || std::find(names.begin(), names.end(), name) != names.end();
}

const std::vector<Dialogue>& dialogues() {
  static const std::vector<Dialogue> all = [] {
    std::vector<Dialogue> found;
    for (const std::string& line : ask({"list"})) {
      const auto words = split(line, ' ');
      if (words.size() < 4 || !is_wanted(words[0], words[3] == "always")) continue;
      const auto first = static_cast<uint16_t>(kFirstPort + 2 * kPortsOfOne * (found.size() + 1));
      found.push_back({std::string(words[0]), words[1] == "crypto", std::string(words[2]),
                       std::string(words.size() > 4 ? words[4] : ""), first,
                       static_cast<uint16_t>(first + kPortsOfOne)});
    }
    return found;
  }();
  return all;
}

// All dialogues' services stand on one honeypot host: to load the kernel programs is what takes longest.
class ReplayMatrixTest : public testing::TestWithParam<Dialogue> {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();
  void SetUp() override;
  static void lay_out(RigOptions& options, std::string& groups, const std::string& dialogue, const std::string& name,
                      uint16_t port, bool vulnerable);
  static bool listening(uint16_t port);
  // A session with what listens at the proxy's `port`.
  void visit(uint16_t port, size_t seed);
  // The ids of the attacks, in the order of their seeds. Whoever searches has sessions before that come to nothing.
  std::vector<std::string> record();

  static std::optional<Folder> folder_;
  static std::vector<std::string> sockets_;
  static std::optional<Rig> rig_;
};

std::optional<Folder> ReplayMatrixTest::folder_;
std::vector<std::string> ReplayMatrixTest::sockets_;
std::optional<Rig> ReplayMatrixTest::rig_;

void ReplayMatrixTest::SetUpTestSuite() {
  if (!Rig::missing().empty()) return;
  auto folder = Folder::make_for_programs();
  ASSERT_TRUE(folder) << folder.error().message;
  folder_.emplace(std::move(*folder));
  RigOptions options;
  std::string groups;
  for (const Dialogue& each : dialogues()) {
    if (!each.missing.empty()) continue;
    ASSERT_NO_FATAL_FAILURE(lay_out(options, groups, each.name, each.name + "-vulnerable", each.vulnerable, true));
    ASSERT_NO_FATAL_FAILURE(lay_out(options, groups, each.name, each.name + "-fixed", each.fixed, false));
  }
  if (!groups.empty()) options.monitor_more = "app_groups:\n" + groups;
  rig_.emplace(options);
  const auto started = rig_->start();
  ASSERT_TRUE(started) << started.error().message << rig_->log("monitor");
}

void ReplayMatrixTest::TearDownTestSuite() {
  rig_.reset();
  folder_.reset();
}

void ReplayMatrixTest::SetUp() {
  if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
  if (!GetParam().missing.empty())
    GTEST_SKIP() << "no " << GetParam().missing << "; tools/install-deps installs it, or does with --services";
  for (const uint16_t port : {GetParam().vulnerable, GetParam().fixed})
    ASSERT_TRUE(eventually([&] { return listening(port); }, kListeningMs)) << port << ": " << rig_->log("monitor");
  for (const std::string& socket : sockets_) {
    if (socket.find("/" + GetParam().name + "-") == std::string::npos) continue;
    ASSERT_TRUE(eventually([&] { return ::access(socket.c_str(), F_OK) == 0; })) << socket;
  }
}

void ReplayMatrixTest::lay_out(RigOptions& options, std::string& groups, const std::string& dialogue,
                               const std::string& name, uint16_t port, bool vulnerable) {
  const std::vector<std::string> lines =
      ask({"prepare", dialogue, name, folder_->path() + "/" + name, testbed::kHoneypotAddress, testbed::kProxyOutside,
           std::to_string(port), vulnerable ? "vulnerable" : "fixed"});
  ASSERT_FALSE(lines.empty()) << dialogue;
  for (const std::string& line : lines) {
    if (line.starts_with("await ")) sockets_.push_back(line.substr(6));
    if (line.starts_with("group ")) groups += "  - " + line.substr(6) + "\n";
    if (!line.starts_with("service ")) continue;
    options.services_monitor += "  - " + line.substr(8) + "\n";
    const YAML::Node service = YAML::Load(line.substr(8));
    if (service["name"].as<std::string>() != name) continue;
    options.services_proxy += fmt::format("  - {{name: {0}, listen: [\"{1}:{2}\"], bait: bait1, address: {3}:{2}}}\n",
                                          name, testbed::kProxyOutside, port, testbed::kHoneypotAddress);
    const auto ports = service["ports"].as<std::vector<uint16_t>>();
    if (ports.size() == 1) continue;
    const std::string range = fmt::format("{}-{}", ports[1], ports.back());
    options.services_proxy +=
        fmt::format("  - {{name: {0}-data, listen: [\"{1}:{2}\"], bait: bait1, address: {3}:{2}, linked_to: {0}}}\n",
                    name, testbed::kProxyOutside, range, testbed::kHoneypotAddress);
  }
}

bool ReplayMatrixTest::listening(uint16_t port) {
  const std::string out = folder_->path() + "/tcp";
  const auto done =
      testbed::run_to_end({"/bin/sh", "-c", "cat /proc/net/tcp /proc/net/tcp6"}, {rig_->network().honeypot(), "", out});
  const std::string text = done ? read_file(out).value_or("") : "";
  return text.find(fmt::format("0300630A:{:04X} 00000000:0000 0A", port)) != std::string::npos;
}

void ReplayMatrixTest::visit(uint16_t port, size_t seed) {
  const std::string said = rig_->file("visit.err");
  const auto done = testbed::run_to_end(
      {kPython, kDialogues, "visit", GetParam().name, fmt::format("{}:{}", testbed::kProxyOutside, port),
       std::to_string(seed), folder_->path() + "/" + GetParam().name + "-vulnerable"},
      {rig_->network().attacker(), said, {}}, kVisitMs);
  ASSERT_TRUE(done) << done.error().message << rig_->log("monitor");
}

std::vector<std::string> ReplayMatrixTest::record() {
  const size_t wanted = recordings_wanted();
  const auto earlier = rig_->sessions(0);
  EXPECT_TRUE(earlier) << earlier.error().message;
  const size_t before = earlier ? earlier->size() : 0;
  for (size_t seed = 0; seed < wanted && !HasFatalFailure(); ++seed) visit(GetParam().vulnerable, seed);
  if (!HasFatalFailure()) visit(GetParam().fixed, wanted);
  std::vector<std::string> ids;
  std::string seen;
  const auto all = rig_->sessions(before + wanted + 1);
  EXPECT_TRUE(all) << all.error().message;
  for (const archive::SessionSummary& session : all ? *all : std::vector<archive::SessionSummary>{}) {
    const bool vulnerable = session.entrance.port == GetParam().vulnerable;
    if (!vulnerable && session.entrance.port != GetParam().fixed) continue;
    const bool attack = session.session_class == SessionClass::attack;
    EXPECT_FALSE(attack && !vulnerable) << cli::summary_json(session);
    if (vulnerable) seen += cli::summary_json(session) + "\n";
    if (!attack) continue;
    EXPECT_TRUE(!session.alerts.empty() && session.alerts[0].rule == GetParam().rule) << cli::summary_json(session);
    ids.push_back(to_string(session.id));
  }
  EXPECT_EQ(ids.size(), wanted) << seen << rig_->log("monitor");
  return ids;
}

TEST_P(ReplayMatrixTest, HoldsDialoguesAgain) {
  const std::vector<std::string> ids = record();
  ASSERT_FALSE(HasFailure());
}

INSTANTIATE_TEST_SUITE_P(Dialogues, ReplayMatrixTest, testing::ValuesIn(dialogues()),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace skep::harness
