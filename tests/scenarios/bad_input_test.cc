// What a front door is put through: nothing is lost, nobody else is held up, nothing grows beyond its bound.
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "harness/hosts.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

constexpr char kListen[] = "10.99.1.2:90";
constexpr char kBait[] = "10.99.0.3:9000";
constexpr int kLongMs = 120'000;

class BadInputTest : public testing::Test {
 protected:
  void start(const std::string& bait, const std::string& proxy_more = "") {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    RigOptions options;
    options.proxy_more = proxy_more;
    options.services_proxy = fmt::format("  - {{name: bare, listen: [\"{}\"], address: {}}}\n", kListen, kBait);
    options.with_bait = false;
    rig_.emplace(options);
    ASSERT_TRUE(rig_->set_up());
    auto server = testbed::Process::start({rig_->program("bare_server"), kBait, bait},
                                          {rig_->network().honeypot(), rig_->file("bait.log"), {}});
    ASSERT_TRUE(server);
    bait_.emplace(std::move(*server));
    ASSERT_TRUE(bait_->await_line("ready", 10'000));
    const auto started = rig_->start_proxy();
    ASSERT_TRUE(started) << started.error().message;
  }
  testbed::Process abuse(const std::string& kind, size_t count) {
    auto client = testbed::Process::start({rig_->program("abuse"), kind, kListen, std::to_string(count)},
                                          {rig_->network().attacker(), rig_->file(kind + ".log"), {}});
    EXPECT_TRUE(client);
    return std::move(*client);
  }
  testbed::Process abuse_that_stands(const std::string& kind, size_t count) {
    testbed::Process client = abuse(kind, count);
    const auto standing = client.await_line("standing", kLongMs);
    EXPECT_TRUE(standing) << standing.error().message;
    return client;
  }
  bool one_more_is_served() {
    auto client = connect_from(rig_->network().attacker(), kListen);
    if (!client) return false;
    send_text(*client, "anybody?");
    return receive_all(*client, 8).text == "anybody?";
  }
  std::map<EndReason, size_t> ends(size_t count) {
    std::map<EndReason, size_t> ends;
    const auto all = rig_->sessions(count, kLongMs);
    EXPECT_TRUE(all) << all.error().message;
    if (!all) return ends;
    EXPECT_EQ(all->size(), count);
    for (const archive::SessionSummary& each : *all) ++ends[each.end_reason];
    return ends;
  }
  unsigned said(const std::string& key) { return number_in(rig_->skep({"status", "--json"}).text, key); }
  // Bytes of the proxy's own memory, as /proc/PID/status has it under `key`.
  size_t memory(const std::string& key) {
    const std::string status = read_file(fmt::format("/proc/{}/status", rig_->proxy()->pid())).value_or("");
    size_t kilobytes = 0;
    const size_t at = status.find_first_of("0123456789", status.find("\n" + key + ":"));
    std::from_chars(status.data() + at, status.data() + status.size(), kilobytes);
    return kilobytes << 10;
  }
  std::optional<Rig> rig_;
  std::optional<testbed::Process> bait_;
};

TEST_F(BadInputTest, ThousandsOfHeadersThatNeverEndEndWithTheirLife) {
  start("echo", "life_ms: 4000\n");
  testbed::Process slow = abuse_that_stands("trickle", 2000);
  EXPECT_TRUE(one_more_is_served());
  const auto ended = slow.await_end(kLongMs);
  EXPECT_TRUE(ended && *ended == 0);
  const auto reasons = ends(2001);
  EXPECT_EQ(reasons.count(EndReason::timeout) ? reasons.at(EndReason::timeout) : 0, 2000u);
}

TEST_F(BadInputTest, AFloodOfResetsIsRecordedOneByOne) {
  start("echo");
  const auto ended = abuse("reset", 20'000).await_end(kLongMs);
  ASSERT_TRUE(ended && *ended == 0);
  EXPECT_TRUE(one_more_is_served());
  auto reasons = ends(20'000 + 20 + 1);  // with those that were awaited between them
  EXPECT_EQ(reasons[EndReason::reset_by_client], 20'000u);
  EXPECT_EQ(said("sessions_refused"), 0u);
}

TEST_F(BadInputTest, WritesOfOneByteArriveAndAreRecordedWhole) {
  start("echo");
  const auto ended = abuse("bytes", 20'000).await_end(kLongMs);
  EXPECT_TRUE(ended && *ended == 0) << "all of them came back";
  const auto all = rig_->sessions(1);
  ASSERT_TRUE(all);
  EXPECT_EQ((*all)[0].bytes_in, 20'000u);
  EXPECT_EQ((*all)[0].bytes_out, 20'000u);
}

// 64 MiB are offered to each: at most buffers_bytes_max and a piece each are held for them.
TEST_F(BadInputTest, FiftyThatTakeNothingCostTheirBoundAndNoMore) {
  constexpr size_t kBound = 4 << 20;
  constexpr size_t kSlack = 3 << 20;  // the sessions themselves, the heap's own
  constexpr size_t kReadBytes = 262'144;
  start("pour", fmt::format("buffers_bytes_max: {}\n", kBound));
  const size_t before = memory("RssAnon");
  testbed::Process stalled = abuse_that_stands("stall", 50);
  unsigned held = 0;
  ASSERT_TRUE(eventually([&] {
    const unsigned now = said("buffers_bytes");
    return now > kBound / 2 && now == std::exchange(held, now);
  })) << held;
  // A piece each, and a read of each shard: what they do in the same moment may pass the bound.
  const size_t most = kBound + 50 * size_t{4096} + std::thread::hardware_concurrency() * kReadBytes;
  EXPECT_LE(held, most);
  EXPECT_LE(memory("RssAnon"), before + most + kSlack);
  fmt::print("held {} bytes; RssAnon {} before, {} now; VmHWM {}\n", held, before, memory("RssAnon"), memory("VmHWM"));
  stalled.signal(SIGKILL);
  ASSERT_TRUE(stalled.await_end(5000));
  auto reasons = ends(50);
  EXPECT_EQ(reasons[EndReason::reset_by_client], 50u);
  EXPECT_EQ(said("buffers_bytes"), 0u);
}

TEST_F(BadInputTest, ABaitThatNeverAnswersEndsByIdling) {
  start("silent", "idle_timeout_ms: 1000\n");
  testbed::Process waiting = abuse_that_stands("hold", 100);
  auto reasons = ends(100);
  EXPECT_EQ(reasons[EndReason::timeout], 100u);
}

TEST_F(BadInputTest, ABaitThatFloodsIsRecordedWholeAndPassedOn) {
  start("pour");
  auto client = connect_from(rig_->network().attacker(), kListen);
  ASSERT_TRUE(client);
  size_t taken = 0;
  while (const size_t got = receive_all(*client, 1 << 20).text.size()) taken += got;
  EXPECT_EQ(taken, 64u << 20);
  client->reset();
  const auto all = rig_->sessions(1);
  ASSERT_TRUE(all);
  EXPECT_EQ((*all)[0].bytes_out, 64u << 20);
  EXPECT_EQ((*all)[0].end_reason, EndReason::server_closed);
}

// As many of the ten thousand as the system has descriptors for.
TEST_F(BadInputTest, TenThousandThatRestAndTwentyThousandScansAreAllThere) {
  start("echo");
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const size_t resting = std::min<size_t>(10'000, said("sessions_allowed") - 3000);
  fmt::print("{} rest; {} descriptors are allowed\n", resting, limit.rlim_max);
  testbed::Process idle = abuse_that_stands("hold", resting);
  ASSERT_TRUE(eventually([&] { return said("sessions_live") == resting; }));
  fmt::print("RssAnon {} with {} sessions at rest\n", memory("RssAnon"), resting);
  const auto scanned = abuse("scan", 20'000).await_end(kLongMs);
  ASSERT_TRUE(scanned && *scanned == 0);
  ASSERT_TRUE(eventually([&] { return said("sessions_live") == resting; })) << "those that rest are all there";
  EXPECT_TRUE(one_more_is_served());
  idle.signal(SIGTERM);
  ASSERT_TRUE(idle.await_end(20'000));
  auto reasons = ends(resting + 20'001);
  // Where descriptors are few, some of the scans meet that limit: they are recorded as such, and nobody else.
  const size_t refused = said("sessions_refused");
  EXPECT_EQ(reasons[EndReason::limit], refused);
  EXPECT_EQ(reasons[EndReason::client_closed] + refused, resting + 20'001);
  fmt::print("{} scans were turned away\n", refused);
}

}  // namespace
}  // namespace skep::harness
