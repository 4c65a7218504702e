// At a limit the next one is turned away with a reset and a record of its own; who is there does not notice.
#include "base/file.h"
#include "harness/hosts.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

constexpr char kListen[] = "10.99.1.2:90";
constexpr char kBait[] = "10.99.0.3:9000";

class LimitsTest : public testing::Test {
 protected:
  void start(const std::string& proxy_more, std::vector<std::string> proxy_under = {}) {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    RigOptions options;
    options.proxy_more = proxy_more;
    options.services_proxy = fmt::format("  - {{name: bare, listen: [\"{}\"], address: {}}}\n", kListen, kBait);
    options.with_bait = false;
    options.proxy_under = std::move(proxy_under);
    rig_.emplace(options);
    ASSERT_TRUE(rig_->set_up());
    auto bait = testbed::Process::start({rig_->program("bare_server"), kBait, "echo"},
                                        {rig_->network().honeypot(), rig_->file("bait.log"), {}});
    ASSERT_TRUE(bait);
    bait_.emplace(std::move(*bait));
    ASSERT_TRUE(bait_->await_line("ready", 10'000));
    const auto started = rig_->start_proxy();
    ASSERT_TRUE(started) << started.error().message;
  }
  Fd open() {
    auto client = connect_from(rig_->network().attacker(), kListen);
    EXPECT_TRUE(client);
    return client ? std::move(*client) : Fd();
  }
  static bool answers(const Fd& client) {
    send_text(client, "hello");
    return receive_all(client, 5).text == "hello";
  }
  unsigned met(const std::string& limit) {
    const std::string status = rig_->skep({"status", "--json"}).text;
    const size_t limits = status.find("\"limits\":");
    return limits == std::string::npos ? 0 : number_in(std::string_view(status).substr(limits), limit);
  }
  bool degraded() { return rig_->skep({"status", "--json"}).text.find("\"descriptors\"]") != std::string::npos; }
  // What the session's log says of limits.
  std::string notes(const archive::SessionSummary& session) {
    return rig_->skep({"session", "show", to_string(session.id), "--json"}).text;
  }
  std::optional<Rig> rig_;
  std::optional<testbed::Process> bait_;
};

TEST_F(LimitsTest, OneTooManyOfASourceIsResetRecordedAndSaid) {
  start("sessions_per_source_max: 2\n");
  Fd first = open();
  Fd second = open();
  ASSERT_TRUE(answers(first) && answers(second));
  const Fd third = open();
  EXPECT_TRUE(receive_all(third).reset);
  EXPECT_TRUE(answers(first) && answers(second)) << "who is there does not notice";
  EXPECT_EQ(met("sessions_per_source_max"), 1u);
  EXPECT_TRUE(rig_->await_log("proxy", "met sessions_per_source_max"));
  first.reset();
  EXPECT_TRUE(eventually([&] { return answers(open()); })) << "its place is free again";
  second.reset();
  const auto all = rig_->sessions(4);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ((*all)[2].end_reason, EndReason::limit);
  EXPECT_NE(notes((*all)[2]).find("sessions_per_source_max"), std::string::npos);
}

TEST_F(LimitsTest, WhoComesTooFastIsReset) {
  start("accepts_per_second_per_source_max: 1\naccept_burst_ms: 3600000\nsessions_per_source_max: 0\n");
  // A burst of an hour's worth: 3,600 at once, and the next one is too many.
  const auto scanned = rig_->attack({rig_->program("abuse"), "scan", kListen, "3700"});
  ASSERT_TRUE(scanned) << scanned.error().message;
  const auto all = rig_->sessions(3700);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->size(), 3700u) << "each is a session of its own";
  size_t refused = 0;
  for (const archive::SessionSummary& each : *all) refused += each.end_reason == EndReason::limit ? 1 : 0;
  EXPECT_GE(refused, 1u);
  EXPECT_LE(refused, 100u);
  EXPECT_EQ(met("accepts_per_second_per_source_max"), refused);
}

TEST_F(LimitsTest, ASessionEndsAtItsBytes) {
  start("session_bytes_max: 1000\n");
  const Fd client = open();
  send_text(client, std::string(600, 'x'));
  EXPECT_TRUE(receive_all(client).reset) << "600 and their echo";
  const auto all = rig_->sessions(1);
  ASSERT_TRUE(all);
  EXPECT_EQ((*all)[0].end_reason, EndReason::limit);
  EXPECT_EQ((*all)[0].bytes_in + (*all)[0].bytes_out, 1000u);
  EXPECT_NE(notes((*all)[0]).find("session_bytes_max"), std::string::npos);
  EXPECT_EQ(met("session_bytes_max"), 1u);
}

TEST_F(LimitsTest, ASessionEndsWithItsLifeHoweverBusyItIs) {
  start("life_ms: 1000\n");
  const Fd client = open();
  while (answers(client)) {
  }
  const auto all = rig_->sessions(1);
  ASSERT_TRUE(all);
  EXPECT_EQ((*all)[0].end_reason, EndReason::timeout);
  EXPECT_NE(notes((*all)[0]).find("life_ms"), std::string::npos);
}

TEST_F(LimitsTest, WithoutDescriptorsItSurvivesSaysSoAndRecovers) {
  // 192 descriptors, and no right to have more: 128 of its own, two for each session.
  start("", {"/usr/bin/prlimit", "--nofile=192:192", "/usr/bin/setpriv", "--bounding-set=-sys_resource",
             "--inh-caps=-sys_resource"});
  EXPECT_NE(rig_->log("proxy").find("192 descriptors are allowed"), std::string::npos) << rig_->log("proxy");
  const unsigned allowed = number_in(rig_->skep({"status", "--json"}).text, "sessions_allowed");
  ASSERT_TRUE(allowed > 0 && allowed <= 32) << allowed;
  std::vector<Fd> live;
  for (unsigned i = 0; i < allowed; ++i) live.push_back(open());
  for (const Fd& each : live) ASSERT_TRUE(answers(each));
  EXPECT_FALSE(degraded());
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(receive_all(open()).reset);
  EXPECT_TRUE(degraded());
  EXPECT_EQ(met("descriptors"), 200u);
  for (const Fd& each : live) EXPECT_TRUE(answers(each)) << "who is there does not notice";
  live.clear();
  ASSERT_TRUE(rig_->await_log("proxy", "degraded: descriptors is over"));
  EXPECT_FALSE(degraded());
  EXPECT_TRUE(answers(open()));
  const auto all = rig_->sessions(allowed + 201);
  ASSERT_TRUE(all) << all.error().message;
  size_t refused = 0;
  for (const archive::SessionSummary& each : *all) refused += each.end_reason == EndReason::limit ? 1 : 0;
  EXPECT_EQ(refused, 200u);
  EXPECT_EQ(all->size(), allowed + 201);
}

}  // namespace
}  // namespace skep::harness
