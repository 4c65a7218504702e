// Deeds that belong to more than one session, and deeds made to look like another's.
#include "base/file.h"
#include "base/text.h"
#include "harness/hosts.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

constexpr char kEntrance[] = "10.99.1.2:90";

constexpr char kPrograms[] =
    "apiVersion: skep/v1\nkind: SignatureSet\nmetadata: {name: deeds, version: 1}\nsignatures:\n"
    "  - {signature: shell_started, condition: \"evt.type = execve and proc.name in (sh, dash)\", action: deny}\n"
    "  - {signature: unlisted_program, condition: evt.type = execve and proc.is_listed = false, action: deny}\n";
constexpr char kConnections[] =
    "  - {signature: outgoing_connection, condition: evt.type = connect and fd.l4proto = tcp, action: deny}\n";

class WhoseDeedTest : public testing::TestWithParam<const char*> {
 protected:
  void start(const std::string& model, const std::string& monitor_more = "",
             const std::string& signatures = std::string(kPrograms) + kConnections) {
    RigOptions options;
    options.services_monitor = fmt::format(
        "  - {{name: model, command: [{}, --model, {}, --workers, \"2\", \"10.99.0.3:9000\"], port: 9000}}\n",
        Rig(options).program("model_server"), model);
    options.services_proxy =
        fmt::format("  - {{name: model, listen: [\"{}\"], bait: bait1, address: \"10.99.0.3:9000\"}}\n", kEntrance);
    options.proxy_more = "heartbeat_ms: 100\n";
    ASSERT_TRUE(write_file(signatures_.path() + "/deeds.yaml", signatures));
    options.monitor_more = fmt::format("signatures: [{}/deeds.yaml]\n{}", signatures_.path(), monitor_more);
    rig_.emplace(options);
    const auto started = rig_->start();
    ASSERT_TRUE(started) << started.error().message;
  }

  Fd connect() {
    auto socket = connect_from(rig_->network().attacker(), kEntrance);
    EXPECT_TRUE(socket) << socket.error().message;
    return std::move(*socket);
  }

  // One whole session; what was answered.
  std::string say(const std::string& request) {
    const Fd socket = connect();
    send_text(socket, request + "\n");
    return receive_all(socket).text;
  }

  // Once there are `sessions` of them, with `alerts` in all; in the order of their beginning.
  std::vector<archive::SessionSummary> told(size_t sessions, size_t alerts) {
    std::vector<archive::SessionSummary> all;
    eventually([&] {
      const auto now = rig_->sessions(sessions);
      if (!now) return false;
      all = *now;
      size_t count = 0;
      for (const archive::SessionSummary& session : all) count += session.alerts.size();
      return count >= alerts;
    });
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.id.value < b.id.value; });
    return all;
  }

  Folder signatures_ = std::move(*Folder::make());
  std::optional<Rig> rig_;
};

struct Told {
  std::string rule;
  AlertRole role;
  bool certain;
  bool operator==(const Told&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Told& told) {
  return out << told.rule << " " << to_string(told.role) << (told.certain ? " certain" : " not certain");
}

std::vector<Told> told_of(const archive::SessionSummary& session) {
  std::vector<Told> all;
  for (const Alert& alert : session.alerts)
    all.push_back({alert.rule, alert.role, alert.confidence != Confidence::none});
  return all;
}

TEST_P(WhoseDeedTest, WhatOneSessionWroteAndAnotherStartedIsToldToBoth) {
  if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
  ASSERT_NO_FATAL_FAILURE(start(GetParam()));
  const std::string file = rig_->file("dropped");
  say("GOOD 0");
  EXPECT_EQ(say("WRITE " + file + ":1"), "DONE " + file + ":1 0\n");
  say("START " + file + ":2");
  say("READ " + file + ":3");
  say("BAD 4");
  const auto all = told(5, 5);
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(told_of(all[0]), std::vector<Told>{});
  EXPECT_EQ(told_of(all[1]), (std::vector<Told>{{"unlisted_program", AlertRole::writer, true},
                                                {"shell_started", AlertRole::writer, true}}));
  EXPECT_EQ(told_of(all[2]), (std::vector<Told>{{"unlisted_program", AlertRole::starter, true}}));
  EXPECT_EQ(told_of(all[3]), (std::vector<Told>{{"shell_started", AlertRole::starter, true}}));
  EXPECT_EQ(told_of(all[4]), (std::vector<Told>{{"shell_started", AlertRole::doer, true}}))
      << "who read the script has taken up other work";
  const auto shown = rig_->skep({"session", "show", to_string(all[1].id), "--json"});
  EXPECT_NE(shown.text.find("\"role\":\"writer\""), std::string::npos) << shown.text;
}

INSTANTIATE_TEST_SUITE_P(Servers, WhoseDeedTest, testing::Values("fork", "prefork", "loop", "unix"));

TEST_F(WhoseDeedTest, FilesAreNotFollowedWhereTheOptionsSayNo) {
  if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
  ASSERT_NO_FATAL_FAILURE(start("fork", "follow: false\n"));
  const std::string file = rig_->file("dropped");
  say("WRITE " + file + ":1");
  say("START " + file + ":2");
  const auto all = told(2, 1);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(told_of(all[0]), std::vector<Told>{});
  EXPECT_EQ(told_of(all[1]), (std::vector<Told>{{"unlisted_program", AlertRole::doer, true}}));
}

TEST_F(WhoseDeedTest, AConnectionOfADescendantIsOfTheSessionThatCausedIt) {
  if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
  ASSERT_NO_FATAL_FAILURE(start("prefork"));
  say("GOOD 0");
  say("CALL 1");
  say("GOOD 2");
  const auto all = told(3, 1);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(told_of(all[0]), std::vector<Told>{});
  EXPECT_EQ(told_of(all[1]), (std::vector<Told>{{"outgoing_connection", AlertRole::doer, true}}));
  EXPECT_EQ(told_of(all[2]), std::vector<Told>{});
}

// What no signature refuses, containment does: its alert is joined to its session by the same rules. Here another
// thread might have been meant, until the answer shows that none was.
TEST_F(WhoseDeedTest, WhatContainmentRefusesIsNamedNoSurerThanAnythingElse) {
  if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
  ASSERT_NO_FATAL_FAILURE(start("thread", "", kPrograms));
  say("GOOD 0");
  say("VISIT 1");
  const auto all = told(2, 1);
  ASSERT_EQ(all.size(), 2u);
  ASSERT_EQ(told_of(all[1]), (std::vector<Told>{{"containment", AlertRole::doer, true}}));
  EXPECT_EQ(all[1].alerts[0].confidence, Confidence::confirmed);
}

// The server's one thread is held up in the intruder's request; meanwhile a neighbour sends, and the intruder's child
// reads it.
TEST_F(WhoseDeedTest, AnIntrudersChildThatReadsFromItsNeighbourIsNotTheNeighbours) {
  if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
  ASSERT_NO_FATAL_FAILURE(start("loop"));
  Fd neighbour = connect();
  EXPECT_EQ(say("GOOD 1"), "OK 1 0\n");  // by then the neighbour has been accepted, too
  Fd intruder = connect();
  send_text(intruder, "HOLD 400 STEAL 2\n");
  ::usleep(100'000);  // within the pause: the server reads nobody
  send_text(neighbour, "STOLEN");
  EXPECT_EQ(receive_all(intruder).text.substr(0, 7), "DONE 2 ");
  send_text(neighbour, "GOOD 3\n");
  EXPECT_EQ(receive_all(neighbour).text, "OK 3 0\n") << "the child has read what came before";
  neighbour.reset();
  intruder.reset();
  const auto all = told(3, 2);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(told_of(all[0]), std::vector<Told>{});
  EXPECT_EQ(told_of(all[1]), std::vector<Told>{});
  ASSERT_EQ(all[2].alerts.size(), 2u);
  for (const Alert& alert : all[2].alerts) EXPECT_NE(alert.arguments.find("# 2."), std::string::npos);
}

}  // namespace
}  // namespace skep::harness
