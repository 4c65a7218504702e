// A connection to a bait that is no session of the proxy, and whose maker wants to know what the host's kernel says of
// it, as a replay does.
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <iostream>

#include "base/file.h"
#include "harness/hosts.h"
#include "harness/rig.h"
#include "io/sockets.h"
#include "model/socket_address.h"
#include "replay/proxy_oracle.h"
#include "replay/recordings.h"

namespace skep::harness {
namespace {

constexpr char kHarmless[] = "get index HTTP/1.0\r\n\r\n";
constexpr char kAttack[] = "get ../../../../../../../etc/shadow HTTP/1.0\r\n\r\n";

class GuestsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    const Rig names(RigOptions{});
    const std::string site = folder_.path() + "/site";
    ASSERT_TRUE(make_directories(site + "/pages"));
    ASSERT_TRUE(write_file(site + "/pages/index", "a page"));
    RigOptions options;
    options.services_monitor = fmt::format("  - {{name: files, command: [{}, \"{}:9000\", {}], port: 9000}}\n",
                                           names.program("file_server"), testbed::kHoneypotAddress, site);
    options.services_proxy = fmt::format("  - {{name: files, listen: [\"{}:80\"], bait: bait1, address: {}:9000}}\n",
                                         testbed::kProxyOutside, testbed::kHoneypotAddress);
    rig_.emplace(options);
    const auto started = rig_->start();
    ASSERT_TRUE(started) << started.error().message;
    oracle_.emplace(rig_->file("archive/proxy.sock"));
  }

  // A socket on the proxy's host with a port of its own.
  static Fd bound_socket(const std::string& netns) {
    auto socket = socket_in(netns, AF_INET, SOCK_STREAM, 0);
    SocketAddress own = to_socket_address(*parse_endpoint(testbed::kProxyInside));
    EXPECT_TRUE(socket && ::bind(socket->get(), own.get(), own.bytes) == 0);
    return socket ? std::move(*socket) : Fd();
  }
  // One request to the bait itself, watched: its number, and the process that served it.
  uint64_t ask_watched(const std::string& request) {
    const Fd socket = bound_socket(rig_->network().proxy());
    const auto number = oracle_->watch(io::local_end(socket.get()), target_);
    EXPECT_TRUE(number) << number.error().message;
    if (!number) return 0;
    SocketAddress to = to_socket_address(target_);
    EXPECT_EQ(::connect(socket.get(), to.get(), to.bytes), 0);
    send_text(socket, request);
    receive_all(socket);
    return *number;
  }
  replay::Oracle::Seen seen(uint64_t number) {
    const auto said = oracle_->seen(number);
    EXPECT_TRUE(said) << said.error().message;
    return said ? *said : replay::Oracle::Seen{};
  }
  std::string ask_through_the_proxy(const std::string& request) {
    const auto said = rig_->attack({rig_->program("dialogue"), std::string(testbed::kProxyOutside) + ":80", request});
    return said ? *said : "";
  }

  Folder folder_ = *Folder::make();
  std::optional<Rig> rig_;
  std::optional<replay::ProxyOracle> oracle_;
  const Endpoint target_ = *parse_endpoint(std::string(testbed::kHoneypotAddress) + ":9000");
};

TEST_F(GuestsTest, EachHasItsOwnAlertsAndNoSessionHasThem) {
  ask_through_the_proxy("get index HTTP/1.0\\r\\n\\r\\n");
  const uint64_t harmless = ask_watched(kHarmless);
  const uint64_t attack = ask_watched(kAttack);
  ask_through_the_proxy("get ../../../../../../../etc/shadow HTTP/1.0\\r\\n\\r\\n");
  ASSERT_TRUE(eventually([&] { return !seen(attack).alerts.empty(); }));
  const auto of_attack = seen(attack);
  ASSERT_EQ(of_attack.alerts.size(), 1U);
  EXPECT_EQ(of_attack.alerts[0].raises_to(), SessionClass::attack);
  EXPECT_EQ(of_attack.served_by_pid, of_attack.alerts[0].pid);
  EXPECT_TRUE(of_attack.supervised);

  const auto sessions = rig_->sessions(2);
  ASSERT_TRUE(sessions) << sessions.error().message;
  ASSERT_EQ(sessions->size(), 2U);
  EXPECT_EQ((*sessions)[0].session_class, SessionClass::harmless);
  EXPECT_EQ((*sessions)[1].session_class, SessionClass::attack);
  ASSERT_EQ((*sessions)[1].alerts.size(), 1U);
  EXPECT_NE((*sessions)[1].alerts[0].id, of_attack.alerts[0].id);
  const auto of_harmless = seen(harmless);
  EXPECT_TRUE(of_harmless.alerts.empty());
  EXPECT_NE(of_harmless.served_by_pid, 0U);
  EXPECT_TRUE(of_harmless.supervised);

  oracle_->over(attack);
  EXPECT_FALSE(oracle_->seen(attack)) << "it is forgotten";
  EXPECT_NE(rig_->skep({"status", "--json"}).text.find("\"alerts_dropped\":0"), std::string::npos);
}

// One that has ended and that nobody has taken notice of has no command line any more.
bool runs(uint32_t pid) {
  return !read_file(fmt::format("/proc/{}/cmdline", pid)).value_or("").empty();
}

// A bait that is full of them would answer nobody. What a session has left is the operator's to see.
TEST_F(GuestsTest, WhatAReplayLeavesRunningIsEndedAndNothingElse) {
  const auto spins = [this](const std::string& request) {
    const Fd socket = bound_socket(rig_->network().proxy());
    const auto number = oracle_->watch(io::local_end(socket.get()), target_);
    EXPECT_TRUE(number) << number.error().message;
    const SocketAddress to = to_socket_address(target_);
    EXPECT_EQ(::connect(socket.get(), to.get(), to.bytes), 0);
    send_text(socket, request);
    uint32_t pid = 0;
    EXPECT_TRUE(eventually([&] { return (pid = seen(*number).served_by_pid) != 0; }));
    EXPECT_TRUE(runs(pid));
    oracle_->over(*number);
    return pid;
  };
  auto session = connect_from(rig_->network().attacker(), std::string(testbed::kProxyOutside) + ":80");
  ASSERT_TRUE(session) << session.error().message;
  send_text(*session, "spin\n");
  uint32_t of_session = 0;
  ASSERT_TRUE(eventually([&] {
    auto reader = archive::Reader::open(rig_->file("archive"));
    const auto all = reader ? reader->list({}) : std::vector<archive::SessionSummary>{};
    if (all && all->size() == 1) of_session = (*all)[0].served_by_pid;
    return of_session != 0;
  }));
  const linger reset{1, 0};
  ::setsockopt(session->get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  session->reset();
  const uint32_t kind = spins("spin\n"), deaf = spins("spin deaf\n");
  EXPECT_TRUE(eventually([&] { return !runs(kind) && !runs(deaf); })) << kind << ' ' << deaf;
  EXPECT_TRUE(runs(of_session)) << of_session;
  EXPECT_EQ(number_in(rig_->skep({"hids", "status"}).text, "replays_processes_ended"), 2u);
  EXPECT_NE(ask_through_the_proxy("get index HTTP/1.0\\r\\n\\r\\n"), "") << "the service itself goes on";
}

TEST_F(GuestsTest, WhatCannotBeWatchedIsRefusedInWords) {
  const Endpoint own = *parse_endpoint(std::string(testbed::kProxyInside) + ":50123");
  const auto elsewhere = oracle_->watch(own, *parse_endpoint("10.99.1.1:9000"));
  ASSERT_FALSE(elsewhere);
  EXPECT_NE(elsewhere.error().message.find("no bait"), std::string::npos) << elsewhere.error().message;
  const auto first = oracle_->watch(own, target_);
  ASSERT_TRUE(first) << first.error().message;
  const auto taken = oracle_->watch(own, target_);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, EADDRINUSE) << taken.error().message;
  // Any port of the bait's host can be watched, a service of the options or not.
  EXPECT_TRUE(oracle_->watch(*parse_endpoint(std::string(testbed::kProxyInside) + ":50124"),
                             *parse_endpoint(std::string(testbed::kHoneypotAddress) + ":9001")));

  rig_->monitor().reset();
  ASSERT_TRUE(rig_->await_log("proxy", "its monitor is away"));
  EXPECT_FALSE(seen(*first).supervised);
  const auto away = oracle_->watch(*parse_endpoint(std::string(testbed::kProxyInside) + ":50125"), target_);
  ASSERT_FALSE(away);
  EXPECT_NE(away.error().message.find("away"), std::string::npos) << away.error().message;
  EXPECT_NE(away.error().code, EADDRINUSE);
}

// The attack of the demo: recorded once, held again with the bait, its alert comes each time.
TEST(ReplayedAttackTest, TheDemosAttackRaisesItsAlertAgainAndAgain) {
  if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
  const Rig names(RigOptions{});
  RigOptions options;
  options.services_monitor =
      fmt::format("  - {{name: dune, command: [{}, {}, \"9000\"], port: 9000, address_randomisation: false}}\n",
                  names.program("dune2004"), testbed::kHoneypotAddress);
  options.services_proxy = fmt::format("  - {{name: dune, listen: [\"{}:80\"], bait: bait1, address: {}:9000}}\n",
                                       testbed::kProxyOutside, testbed::kHoneypotAddress);
  Rig rig(options);
  const auto started = rig.start();
  ASSERT_TRUE(started) << started.error().message;
  const auto tries = rig.attack({rig.program("xdune"), "--target", std::string(testbed::kProxyOutside) + ":80",
                                 "--payload", "findsock", "--seed", "4"});
  ASSERT_TRUE(tries) << tries.error().message;
  const auto sessions = rig.sessions(static_cast<size_t>(std::ranges::count(*tries, '\n')));
  ASSERT_TRUE(sessions) << sessions.error().message;
  const archive::SessionSummary& attack = sessions->back();
  ASSERT_EQ(attack.session_class, SessionClass::attack);

  auto reader = archive::Reader::open(rig.file("archive"));
  ASSERT_TRUE(reader) << reader.error().message;
  const auto recording = replay::recording_of(*reader, attack);
  ASSERT_TRUE(recording) << recording.error().message;
  const replay::Plan plan = replay::plan_echoes(*recording);
  const Endpoint target = *parse_endpoint(std::string(testbed::kHoneypotAddress) + ":9000");
  replay::ProxyOracle oracle(rig.file("archive/proxy.sock"));
  const std::atomic<bool> stop{false};
  for (int i = 0; i < 3; ++i) {
    replay::Attempt attempt;
    ASSERT_TRUE(act_in_namespace(rig.network().proxy(),
                                 [&] { attempt = replay::play(*recording, plan, target, {}, &oracle, stop); }));
    EXPECT_TRUE(attempt.watched) << attempt.unwatched_because;
    EXPECT_EQ(attempt.steps_done, attempt.steps_total) << attempt.lacking;
    ASSERT_FALSE(attempt.alerts.empty()) << to_string(attempt.ending) << ' ' << attempt.lacking;
    EXPECT_EQ(attempt.alerts[0].rule, attack.alerts[0].rule);
    EXPECT_EQ(attempt.alerts[0].raises_to(), SessionClass::attack);
    EXPECT_TRUE(attempt.alive_after);
    std::cout << "attempt " << i << ": " << (attempt.ended_ns - attempt.begun_ns) / 1'000'000 << " ms\n";
  }
  const auto after = rig.sessions(sessions->size());
  ASSERT_TRUE(after);
  EXPECT_EQ(after->size(), sessions->size()) << "replays are no sessions";
}

}  // namespace
}  // namespace skep::harness
