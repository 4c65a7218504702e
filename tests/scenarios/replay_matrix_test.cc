// Replay, tried with real services: dialogues of tests/dialogues, each recorded at a vulnerable bait and sent again to
// the bait, to the same service with its hole closed, to another service and to a port where nobody listens. Beside it
// the bait is sent what was recorded as it stands. Ends with a table.
// SKEP_REPLAY_RECORDINGS: how many recordings a dialogue has (2). All go to the bait, a tenth to all targets.
// SKEP_REPLAY_DIALOGUES: `all`, also those that `make test` does without, or the names of some, with commas between
// them. SKEP_REPLAY_KEEP: a folder for what came out wrong: the sessions' bytes, and all that replay said.
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <map>
#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "cli/session_text.h"
#include "harness/hosts.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

constexpr char kDialogues[] = SKEP_SOURCE "/tests/dialogues/dialogues.py";
constexpr char kPython[] = "/usr/bin/python3";
constexpr uint16_t kPortsOfOne = 10;  // of a variant of a dialogue's service
constexpr uint16_t kClosedPort = Rig::kServicePort - 1;
constexpr int kListeningMs = 60'000;  // all of them start at the same time
constexpr int kVisitMs = 60'000;
constexpr int kReplayMs = 600'000;
// Its attack is the first message, so that no other service has the hole that answers it in order, whatever it is
// (0021).
constexpr std::string_view kByItsFirstWords = "dune_overflow";
constexpr double kShare = 0.95;  // of the recordings of a dialogue that reach their last step

enum Target : size_t { kBait, kFixed, kOther, kClosed };
constexpr std::array<const char*, 4> kTargets = {"bait", "fixed", "other", "closed"};

// How often each verdict was given: "confirmed" 3.
using Verdicts = std::map<std::string, size_t>;

struct Dialogue {
  std::string name;
  std::string kind;  // as README.md of tests/dialogues has it
  std::string rule;
  std::string missing;                 // of what it needs
  std::string folder;                  // of its vulnerable service
  uint16_t vulnerable = 0, fixed = 0;  // ports, of the honeypot host and of the proxy
  std::array<std::string, 4> targets;
  // What came of it.
  std::vector<std::string> ids;      // of the recordings
  size_t naive = 0, ladder = 0;      // that reached their last step: it had its effect on the bait
  size_t steps = SIZE_MAX;           // of the recording that has fewest, up to its last step
  std::array<Verdicts, 4> verdicts;  // at each target
};

// Of a line of `skep replay --json`.
struct Told {
  std::string target, verdict, reason;
  size_t steps = SIZE_MAX;  // of the attempts before it
  std::string word() const { return reason.empty() ? verdict : fmt::format("{}({})", verdict, reason); }
};

size_t recordings_wanted() {
  const char* said = ::getenv("SKEP_REPLAY_RECORDINGS");
  const int number = said == nullptr ? 2 : std::atoi(said);
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

std::string at_honeypot(uint16_t port) {
  return fmt::format("{}:{}", testbed::kHoneypotAddress, port);
}

std::vector<Dialogue> dialogues() {
  std::vector<Dialogue> found;
  for (const std::string& line : ask({"list"})) {
    const auto words = split(line, ' ');
    if (words.size() < 4 || !is_wanted(words[0], words[3] == "always")) continue;
    Dialogue one;
    one.name = words[0];
    one.kind = words[1];
    one.rule = words[2];
    if (words.size() > 4) one.missing = words[4];
    one.vulnerable = static_cast<uint16_t>(Rig::kServicePort + 2 * kPortsOfOne * found.size());
    one.fixed = one.vulnerable + kPortsOfOne;
    found.push_back(one);
  }
  for (size_t i = 0; i < found.size(); ++i) {
    found[i].targets = {at_honeypot(found[i].vulnerable), at_honeypot(found[i].fixed),
                        at_honeypot(found[(i == 0 ? found.size() : i) - 1].fixed), at_honeypot(kClosedPort)};
  }
  return found;
}

std::vector<Told> told_in(const std::string& text) {
  std::vector<Told> all;
  size_t steps = SIZE_MAX;
  for (const std::string_view line : split(text, '\n')) {
    if (line.find("\"steps_total\":") != std::string_view::npos) steps = number_in(line, "steps_total");
    if (line.find("\"verdict\":") == std::string_view::npos) continue;
    const YAML::Node told = YAML::Load(std::string(line));
    all.push_back({told["target"].as<std::string>(), told["verdict"].as<std::string>(),
                   told["reason"].IsNull() ? "" : told["reason"].as<std::string>(), steps});
  }
  return all;
}

// Nothing reassures that may not, and nothing alarms.
bool may_be(const Dialogue& dialogue, size_t target, const std::string& verdict) {
  if (dialogue.kind == "crypto" && target != kClosed) return verdict == "inconclusive(CRYPTO)";
  if (verdict.starts_with("inconclusive")) return true;
  if (target == kBait) return verdict == "confirmed";
  return verdict == "not-vulnerable" && (target == kFixed || (target == kOther && dialogue.name == kByItsFirstWords));
}

// All dialogues' services stand on one honeypot host: to load the kernel programs is what takes longest. The dialogues
// go on side by side, and one after the other each by itself: nobody else speaks with its service meanwhile.
class ReplayMatrixTest : public testing::Test {
 protected:
  void start();
  void lay_out(RigOptions& options, std::string& groups, const Dialogue& dialogue, const std::string& name,
               uint16_t port, bool vulnerable);
  void side_by_side(const std::function<void(Dialogue&)>& what);
  // A session with what listens at the proxy's `port`.
  void visit(const Dialogue& dialogue, uint16_t port, size_t seed);
  void record(Dialogue& dialogue);
  // The sessions that are attacks, in the order of their seeds. Whoever searches has others before that come to
  // nothing.
  void take_recordings();
  void replay(Dialogue& dialogue);
  std::vector<Told> replay(const Dialogue& dialogue, const std::vector<std::string>& words);
  void keep(const Dialogue& dialogue, const std::string& id);

  const size_t wanted_ = recordings_wanted();
  std::vector<Dialogue> dialogues_ = dialogues();
  std::optional<Folder> folder_;
  std::vector<std::string> sockets_;
  std::optional<Rig> rig_;
};

void ReplayMatrixTest::start() {
  auto folder = Folder::make_for_programs();
  ASSERT_TRUE(folder) << folder.error().message;
  folder_.emplace(std::move(*folder));
  RigOptions options;
  std::string groups;
  for (Dialogue& each : dialogues_) {
    ASSERT_EQ(each.missing, "") << each.name
                                << " needs it: tools/install-deps; `make replay-matrix` installs what all need";
    each.folder = fmt::format("{}/{}-vulnerable", folder_->path(), each.name);
    lay_out(options, groups, each, each.name + "-vulnerable", each.vulnerable, true);
    lay_out(options, groups, each, each.name + "-fixed", each.fixed, false);
  }
  if (!groups.empty()) options.monitor_more = "app_groups:\n" + groups;
  rig_.emplace(options);
  const auto started = rig_->start();
  ASSERT_TRUE(started) << started.error().message << rig_->log("monitor");
  for (const Dialogue& each : dialogues_) {
    for (const uint16_t port : {each.vulnerable, each.fixed}) {
      ASSERT_TRUE(eventually([&] { return listens(rig_->network().honeypot(), "tcp", port); }, kListeningMs))
          << each.name << ": " << rig_->log("monitor");
    }
    ASSERT_TRUE(write_file(rig_->file(each.name + ".targets"), fmt::format("{}\n", fmt::join(each.targets, "\n"))));
  }
  for (const std::string& socket : sockets_)
    ASSERT_TRUE(eventually([&] { return ::access(socket.c_str(), F_OK) == 0; })) << socket;
  ASSERT_TRUE(write_file(rig_->file("allowed.yaml"),
                         "replay:\n  targets:\n    - {net: 10.99.0.0/24, ports: \"1-65535\", owner: the tests}\n"));
}

void ReplayMatrixTest::lay_out(RigOptions& options, std::string& groups, const Dialogue& dialogue,
                               const std::string& name, uint16_t port, bool vulnerable) {
  const std::vector<std::string> lines =
      ask({"prepare", dialogue.name, name, folder_->path() + "/" + name, testbed::kHoneypotAddress,
           testbed::kProxyOutside, std::to_string(port), vulnerable ? "vulnerable" : "fixed"});
  EXPECT_FALSE(lines.empty()) << name;
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

void ReplayMatrixTest::side_by_side(const std::function<void(Dialogue&)>& what) {
  std::vector<std::thread> threads;
  for (Dialogue& each : dialogues_) threads.emplace_back([&] { what(each); });
  for (std::thread& each : threads) each.join();
}

void ReplayMatrixTest::visit(const Dialogue& dialogue, uint16_t port, size_t seed) {
  const auto done =
      testbed::run_to_end({kPython, kDialogues, "visit", dialogue.name,
                           fmt::format("{}:{}", testbed::kProxyOutside, port), std::to_string(seed), dialogue.folder},
                          {rig_->network().attacker(), rig_->file(dialogue.name + ".err"), {}}, kVisitMs);
  EXPECT_TRUE(done) << done.error().message;
}

void ReplayMatrixTest::record(Dialogue& dialogue) {
  for (size_t seed = 0; seed < wanted_; ++seed) visit(dialogue, dialogue.vulnerable, seed);
  visit(dialogue, dialogue.fixed, wanted_);
}

void ReplayMatrixTest::take_recordings() {
  const auto all = rig_->sessions(dialogues_.size() * (wanted_ + 1));
  ASSERT_TRUE(all) << all.error().message;
  for (const archive::SessionSummary& session : *all) {
    if (session.session_class != SessionClass::attack) continue;
    const auto of = std::find_if(dialogues_.begin(), dialogues_.end(),
                                 [&](const Dialogue& each) { return session.entrance.port == each.vulnerable; });
    ASSERT_NE(of, dialogues_.end()) << cli::summary_json(session);
    EXPECT_EQ(session.alerts.at(0).rule, of->rule) << cli::summary_json(session);
    of->ids.push_back(to_string(session.id));
  }
  for (const Dialogue& each : dialogues_) EXPECT_EQ(each.ids.size(), wanted_) << each.name << rig_->log("monitor");
}

std::vector<Told> ReplayMatrixTest::replay(const Dialogue& dialogue, const std::vector<std::string>& words) {
  const std::string out = rig_->file(dialogue.name + ".said");
  std::vector<std::string> command = {rig_->program("skep"),
                                      "replay",
                                      "--config",
                                      rig_->file("proxy.yaml"),
                                      "--targets-allow",
                                      rig_->file("allowed.yaml"),
                                      "--json",
                                      "--patience",
                                      "3"};
  command.insert(command.end(), words.begin(), words.end());
  auto process = testbed::Process::start(command, {rig_->network().proxy(), rig_->file(dialogue.name + ".err"), out});
  EXPECT_TRUE(process) << process.error().message;
  if (!process) return {};
  const auto ended = process->await_end(kReplayMs);
  EXPECT_TRUE(ended) << ended.error().message;
  const std::string said = read_file(out).value_or("");
  auto told = told_in(said);
  EXPECT_FALSE(told.empty()) << fmt::format("{}", fmt::join(command, " "))
                             << read_file(rig_->file(dialogue.name + ".err")).value_or("");
  return told;
}

// What replay said of it last.
void ReplayMatrixTest::keep(const Dialogue& dialogue, const std::string& id) {
  const char* folder = ::getenv("SKEP_REPLAY_KEEP");
  if (folder == nullptr) return;
  const std::string path = fmt::format("{}/{}", folder, dialogue.name);
  EXPECT_TRUE(make_directories(path));
  for (const char* format : {"raw", "pcapng"}) {
    const std::string to = std::string(format) == "raw" ? path : fmt::format("{}/{}.pcapng", path, id);
    const auto done = testbed::run_to_end({rig_->program("skep"), "session", "export", "--archive",
                                           rig_->file("archive"), id, "--format", format, "-o", to});
    EXPECT_TRUE(done) << done.error().message;
  }
  const auto said = read_file(rig_->file(dialogue.name + ".said"), size_t{64} << 20);
  EXPECT_TRUE(said && write_file(fmt::format("{}/{}.said", path, id), *said));
}

void ReplayMatrixTest::replay(Dialogue& dialogue) {
  const std::string& bait = dialogue.targets[kBait];
  const size_t a_tenth = std::max<size_t>(1, dialogue.ids.size() / 10);
  for (size_t i = 0; i < dialogue.ids.size(); ++i) {
    const std::string& id = dialogue.ids[i];
    for (const Told& told : replay(dialogue, {id, "--target", bait, "--plan", "as-recorded", "--times-max", "2"}))
      dialogue.naive += told.verdict == "confirmed";
    std::vector<std::string> words = {id, "--with", dialogue.ids[(i + 1) % dialogue.ids.size()]};
    if (dialogue.kind == "masked") words.insert(words.end(), {"--times-max", "5"});  // it comes to nothing
    if (i < a_tenth) {
      words.insert(words.end(), {"--targets", rig_->file(dialogue.name + ".targets")});
    } else {
      words.insert(words.end(), {"--target", bait});
    }
    bool well = true;
    for (const Told& told : replay(dialogue, words)) {
      const auto at = std::find(dialogue.targets.begin(), dialogue.targets.end(), told.target);
      ASSERT_NE(at, dialogue.targets.end()) << told.target;
      ++dialogue.verdicts[static_cast<size_t>(at - dialogue.targets.begin())][told.word()];
      dialogue.steps = std::min(dialogue.steps, told.steps);
      dialogue.ladder += told.target == bait && told.verdict == "confirmed";
      well &= told.target == bait ? told.verdict == "confirmed" || told.reason == "CRYPTO"
                                  : may_be(dialogue, static_cast<size_t>(at - dialogue.targets.begin()), told.word());
    }
    if (!well) keep(dialogue, id);
  }
}

void print(const std::vector<Dialogue>& dialogues) {
  fmt::print("{:<18}{:>5}{:>6}{:>7}{:>8}\n", "dialogue", "of", "steps", "naive", "ladder");
  for (const Dialogue& each : dialogues) {
    fmt::print("{:<18}{:>5}{:>6}{:>7}{:>8}", each.name, each.ids.size(), each.steps, each.naive, each.ladder);
    for (size_t target = 0; target < kTargets.size(); ++target) {
      fmt::print("  {}:", kTargets[target]);
      for (const auto& [word, count] : each.verdicts[target]) fmt::print(" {} {}", word, count);
    }
    fmt::print("\n");
  }
}

TEST_F(ReplayMatrixTest, HoldsDialoguesAgainAndIsNeverWrong) {
  if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
  ASSERT_NO_FATAL_FAILURE(start());
  side_by_side([&](Dialogue& each) { record(each); });
  ASSERT_NO_FATAL_FAILURE(take_recordings());
  side_by_side([&](Dialogue& each) { replay(each); });
  print(dialogues_);
  for (const Dialogue& each : dialogues_) {
    for (size_t target = 0; target < kTargets.size(); ++target) {
      for (const auto& [verdict, count] : each.verdicts[target])
        EXPECT_TRUE(may_be(each, target, verdict)) << each.name << " " << kTargets[target] << ": " << verdict;
    }
    EXPECT_GE(each.steps, 2u) << each.name << ": what set it off is its last step";
    if (each.kind == "crypto" || each.kind == "masked") continue;
    EXPECT_GE(static_cast<double>(each.ladder), kShare * static_cast<double>(wanted_)) << each.name;
  }
}

}  // namespace
}  // namespace skep::harness
