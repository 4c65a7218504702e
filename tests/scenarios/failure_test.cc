// Every part killed in the midst of load: nothing recorded is lost, nothing hangs, it recovers by itself or ends with a
// word.
#include <signal.h>

#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "harness/hosts.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

class FailureTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    RigOptions options;
    const Rig names(options);
    options.services_monitor =
        fmt::format("  - {{name: model, command: [{}, --model, fork, \"{}:9000\"], port: 9000}}\n",
                    names.program("model_server"), testbed::kHoneypotAddress);
    options.services_proxy = fmt::format("  - {{name: model, listen: [\"{}:90\"], bait: bait1, address: {}:9000}}\n",
                                         testbed::kProxyOutside, testbed::kHoneypotAddress);
    options.proxy_more = "heartbeat_ms: 200\n";
    rig_.emplace(options);
    const auto started = rig_->start();
    ASSERT_TRUE(started) << started.error().message;
  }
  testbed::Process load(unsigned sessions) {
    auto client = testbed::Process::start({rig_->program("model_client"), "--sessions", std::to_string(sessions),
                                           "--bad", "0", std::string(testbed::kProxyOutside) + ":90"},
                                          {rig_->network().attacker(), rig_->file("load.err"), rig_->file("load.out")});
    return std::move(*client);
  }
  // Twelve at a time, for some seconds; returns once it is well under way.
  testbed::Process traffic() {
    auto client = testbed::Process::start(
        {rig_->program("dialogue"), "--sessions", "1200", "--at-once", "12",
         std::string(testbed::kProxyOutside) + ":90", "HOLD 20 GOOD a\\n", "HOLD 5 GOOD bb\\n", "GOOD ccc\\n"},
        {rig_->network().attacker(), rig_->file("traffic.err"), rig_->file("traffic.out")});
    EXPECT_TRUE(eventually([&] {
      const std::string listed = rig_->skep({"session", "list"}).text;
      return std::count(listed.begin(), listed.end(), '\n') > 100;
    }));
    EXPECT_TRUE(client->running()) << "the traffic goes on";
    return std::move(*client);
  }
  // Every session has an end, and of every one lies in the archive what its summary says.
  void expect_every_log_whole() {
    const auto all = rig_->sessions(100, 60'000);
    ASSERT_TRUE(all) << all.error().message;
    auto reader = archive::Reader::open(rig_->file("archive"));
    ASSERT_TRUE(reader);
    for (const archive::SessionSummary& session : *all) {
      uint64_t bytes[2] = {0, 0};
      const auto read = reader->for_each(session, {}, [&](const formats::Record& record) {
        if (record.type == formats::RecordType::data)
          bytes[static_cast<size_t>(record.direction)] += record.payload.size();
      });
      EXPECT_TRUE(read) << read.error().message;
      EXPECT_EQ(bytes[0], session.bytes_in) << to_string(session.id);
      EXPECT_EQ(bytes[1], session.bytes_out) << to_string(session.id);
      EXPECT_LE(session.forwarded_in, session.bytes_in);
      EXPECT_NE(session.end_ns, 0);
      EXPECT_EQ(session.session_class, SessionClass::harmless) << to_string(session.id);
    }
  }
  pid_t child_named(const std::string& name) { return rig_->child_of_monitor(name); }
  // A session that holds back for `hold_ms` and is bad then.
  testbed::Process bad_in(unsigned hold_ms) {
    auto client = testbed::Process::start({rig_->program("dialogue"), std::string(testbed::kProxyOutside) + ":90",
                                           fmt::format("HOLD {} BAD the-one\\n", hold_ms)},
                                          {rig_->network().attacker(), rig_->file("bad.err"), rig_->file("bad.out")});
    return std::move(*client);
  }
  bool monitor_connected() {
    return rig_->skep({"status", "--json"}).text.find("\"connected\":true") != std::string::npos;
  }
  bool tagged() {
    const auto before = rig_->sessions(0)->size();
    const auto said = rig_->attack(
        {rig_->program("model_client"), "--sessions", "1", "--bad", "1", std::string(testbed::kProxyOutside) + ":90"});
    EXPECT_TRUE(said) << said.error().message;
    const auto all = rig_->sessions(before + 1);
    return all && all->back().session_class == SessionClass::attack;
  }
  std::optional<Rig> rig_;
};

TEST_F(FailureTest, AJudgeThatIsKilledComesBackAndKnowsWhatIsLive) {
  testbed::Process client = traffic();
  const pid_t judge = child_named("skep-judge");
  ASSERT_GT(judge, 0);
  ::kill(judge, SIGKILL);
  ASSERT_TRUE(rig_->await_log("monitor", "another judge is started"));
  const auto ended = client.await_end(60'000);
  ASSERT_TRUE(ended && *ended == 0) << "every session was answered all the same";
  ASSERT_TRUE(eventually([&] { return child_named("skep-judge") > 0 && monitor_connected(); }));
  expect_every_log_whole();
  EXPECT_TRUE(tagged()) << rig_->log("monitor");
}

TEST_F(FailureTest, AMonitorThatFallsSilentTellsItsAlertsWhenItIsBack) {
  const pid_t judge = child_named("skep-judge");
  ASSERT_GT(judge, 0);
  ::kill(judge, SIGSTOP);
  ASSERT_TRUE(rig_->await_log("proxy", "its monitor is away"));
  testbed::Process harmless = load(20);
  testbed::Process bad = bad_in(10);
  for (testbed::Process* each : {&harmless, &bad}) {
    const auto ended = each->await_end(60'000);
    EXPECT_TRUE(ended && *ended == 0) << "answered all the same";
  }
  ::kill(judge, SIGCONT);
  ASSERT_TRUE(eventually([&] { return monitor_connected(); }));
  ASSERT_TRUE(eventually([&] {
    return rig_->skep({"session", "list", "--class", "attack", "--json"}).text.size() > 1;
  })) << "the verdict fell in the kernel, and is told now";
  const auto all = rig_->sessions(21);
  ASSERT_TRUE(all) << all.error().message;
  size_t attacks = 0;
  for (const archive::SessionSummary& session : *all) {
    EXPECT_TRUE(session.unsupervised) << to_string(session.id);
    const bool was_bad = session.bytes_in == std::string("HOLD 10 BAD the-one\n").size();
    attacks += session.session_class == SessionClass::attack ? 1 : 0;
    EXPECT_TRUE(was_bad || session.session_class == SessionClass::harmless) << to_string(session.id);
  }
  EXPECT_EQ(attacks, 1u);
  EXPECT_TRUE(tagged());
}

TEST_F(FailureTest, WhatASessionsProcessDoesAfterTheProxyWasKilledIsStillItsOwn) {
  testbed::Process bad = bad_in(1500);
  ASSERT_TRUE(eventually([&] {
    return rig_->skep({"session", "list", "--json"}).text.find("\"bytes_in\":22") != std::string::npos;
  }));
  ASSERT_TRUE(rig_->kill_proxy());
  const auto restarted = rig_->start_proxy();
  ASSERT_TRUE(restarted) << restarted.error().message;
  ASSERT_TRUE(eventually([&] {
    return rig_->skep({"session", "list", "--class", "attack", "--json"}).text.size() > 1;
  })) << rig_->skep({"session", "list", "--json"}).text
      << "proxy:\n"
      << rig_->log("proxy") << "monitor:\n"
      << rig_->log("monitor");
  const auto all = rig_->sessions(1);
  ASSERT_TRUE(all);
  EXPECT_EQ(all->front().end_reason, EndReason::crash_recovered);
  EXPECT_EQ(all->front().session_class, SessionClass::attack);
}

TEST_F(FailureTest, AnAlertThatTheProxyHasNotTakenOutlivesTheJudge) {
  testbed::Process bad = bad_in(1500);
  ASSERT_TRUE(eventually([&] {
    return rig_->skep({"session", "list", "--json"}).text.find("\"bytes_in\":22") != std::string::npos;
  }));
  ASSERT_TRUE(rig_->kill_proxy());
  ASSERT_TRUE(rig_->await_log("monitor", "judge: alert "));
  const pid_t judge = child_named("skep-judge");
  ASSERT_GT(judge, 0);
  ::kill(judge, SIGKILL);
  ASSERT_TRUE(rig_->await_log("monitor", "another judge is started"));
  const auto restarted = rig_->start_proxy();
  ASSERT_TRUE(restarted) << restarted.error().message;
  EXPECT_TRUE(eventually([&] {
    return rig_->skep({"session", "list", "--class", "attack", "--json"}).text.size() > 1;
  })) << rig_->log("monitor");
}

// Strangers at the control channel's door, and one that only knocks: the proxy's own connection does not notice.
TEST_F(FailureTest, StrangersAtTheControlChannelAreTurnedAwayAndCounted) {
  const std::string door = std::string(testbed::kHoneypotAddress) + ":7443";
  std::vector<Fd> silent;
  for (int i = 0; i < 20; ++i) {
    auto knock = connect_from(rig_->network().proxy(), door);
    ASSERT_TRUE(knock) << knock.error().message;
    // Half a ClientHello; a request; nothing.
    if (i % 3 == 0) send_text(*knock, std::string("\x16\x03\x01\x02\x00\x01", 6));
    if (i % 3 == 1) send_text(*knock, "GET / HTTP/1.1\r\n\r\n");
    silent.push_back(std::move(*knock));
  }
  EXPECT_TRUE(tagged()) << rig_->log("monitor");
  ASSERT_TRUE(eventually([&] {
    const std::string text = rig_->skep({"hids", "status"}).text;
    return number_in(text, "strangers_refused") >= 20;
  })) << rig_->skep({"hids", "status"}).text;
  for (const Fd& each : silent) EXPECT_FALSE(receive_all(each).timed_out) << "nobody is left hanging";
  EXPECT_TRUE(tagged());
}

TEST_F(FailureTest, AServiceDoesNotOutliveItsWatch) {
  const pid_t service = child_named("model_server");
  ASSERT_GT(service, 0);
  testbed::Process client = traffic();
  ::kill(rig_->monitor()->pid(), SIGKILL);
  EXPECT_TRUE(eventually([&] { return ::kill(service, 0) != 0; })) << "the guard ends it";
  EXPECT_TRUE(client.await_end(60'000)) << "nobody is left hanging";
  ASSERT_TRUE(rig_->await_log("proxy", "its monitor is away"));
  EXPECT_NE(rig_->skep({"status", "--json"}).text.find("monitor-away"), std::string::npos);
  // Started again, it is whole again.
  ASSERT_TRUE(rig_->start_monitor());
  ASSERT_TRUE(eventually([&] { return monitor_connected(); }));
  expect_every_log_whole();
  EXPECT_TRUE(tagged());
}

TEST_F(FailureTest, AProxyThatIsKilledLosesNothingThatItRecorded) {
  testbed::Process client = traffic();
  ASSERT_TRUE(rig_->kill_proxy());
  EXPECT_TRUE(client.await_end(60'000)) << "nobody is left hanging";
  const auto restarted = rig_->start_proxy();
  ASSERT_TRUE(restarted) << restarted.error().message;
  expect_every_log_whole();
  ASSERT_TRUE(eventually([&] { return monitor_connected(); }));
  EXPECT_TRUE(tagged());
}

TEST_F(FailureTest, ALinkThatIsCutIsSaidAndMended) {
  testbed::Process client = traffic();
  ASSERT_TRUE(rig_->network().set_link(false));
  ASSERT_TRUE(rig_->await_log("proxy", "its monitor is away", 30'000)) << rig_->log("proxy");
  EXPECT_NE(rig_->skep({"status", "--json"}).text.find("monitor-away"), std::string::npos);
  ASSERT_TRUE(rig_->network().set_link(true));
  ASSERT_TRUE(eventually([&] { return monitor_connected(); }, 30'000));
  EXPECT_TRUE(client.await_end(60'000)) << "nobody is left hanging";
  expect_every_log_whole();
  EXPECT_TRUE(tagged());
}

TEST_F(FailureTest, ToldToStopBothEndInOrder) {
  rig_->proxy()->signal(SIGTERM);
  const auto proxy = rig_->proxy()->await_end(10'000);
  ASSERT_TRUE(proxy);
  EXPECT_EQ(*proxy, 0);
  rig_->monitor()->signal(SIGTERM);
  const auto monitor = rig_->monitor()->await_end(15'000);
  ASSERT_TRUE(monitor);
  EXPECT_EQ(*monitor, 0) << rig_->log("monitor");
}

}  // namespace
}  // namespace skep::harness
