// The proxy between an attacker and a bait that are both in the test's hands: what each side does is what the other
// sees, and the log says it.
#include <sys/socket.h>

#include <random>
#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "harness/hosts.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

constexpr char kListen[] = "10.99.1.2:90";
constexpr char kBait[] = "10.99.0.3:9000";

class RelayTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { start(""); }
  void start(const std::string& proxy_more) {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    RigOptions options;
    options.proxy_more = fmt::format("engine: {}\n{}", GetParam(), proxy_more);
    options.services_proxy = fmt::format(
        "  - {{name: bare, listen: [\"{0}\", \"[::]:90\"], address: {1}}}\n"
        "  - {{name: nobody, listen: [\"10.99.1.2:91\"], address: 10.99.0.3:1}}\n",
        kListen, kBait);
    options.services_monitor = "";
    options.with_bait = false;
    rig_.emplace(options);
    ASSERT_TRUE(rig_->set_up());
    const auto started = rig_->start_proxy();
    ASSERT_TRUE(started) << started.error().message;
    auto listener = listen_on(rig_->network().honeypot(), kBait);
    ASSERT_TRUE(listener) << listener.error().message;
    listener_ = std::move(*listener);
  }
  // Both ends of one session.
  void open() {
    auto client = connect_from(rig_->network().attacker(), kListen);
    ASSERT_TRUE(client) << client.error().message;
    client_ = std::move(*client);
    auto bait = accept_one(listener_);
    ASSERT_TRUE(bait) << bait.error().message;
    bait_ = std::move(*bait);
  }
  archive::SessionSummary last(size_t count) {
    const auto all = rig_->sessions(count);
    EXPECT_TRUE(all) << all.error().message;
    return all && !all->empty() ? all->back() : archive::SessionSummary{};
  }
  std::optional<Rig> rig_;
  Fd listener_, client_, bait_;
};

TEST_P(RelayTest, KeepsHalfClosesInBothDirections) {
  open();
  send_text(client_, "question");
  ::shutdown(client_.get(), SHUT_WR);
  EXPECT_EQ(receive_all(bait_).text, "question") << "and then the end";
  send_text(bait_, "answer after the question's end");
  bait_.reset();
  const Received answer = receive_all(client_);
  EXPECT_EQ(answer.text, "answer after the question's end");
  EXPECT_FALSE(answer.reset);
  const auto session = last(1);
  EXPECT_EQ(session.end_reason, EndReason::client_closed);
  EXPECT_EQ(session.bytes_in, 8u);
  EXPECT_EQ(session.forwarded_out, 31u);
}

TEST_P(RelayTest, AServerMaySpeakFirstAndEndFirst) {
  open();
  send_text(bait_, "220 hello\r\n");
  EXPECT_EQ(receive_all(client_, 11).text, "220 hello\r\n");
  bait_.reset();
  EXPECT_FALSE(receive_all(client_).reset);
  client_.reset();
  EXPECT_EQ(last(1).end_reason, EndReason::server_closed);
}

TEST_P(RelayTest, AResetIsAResetOnTheOtherSide) {
  open();
  send_text(client_, "x");
  EXPECT_EQ(receive_all(bait_, 1).text, "x");
  reset(std::move(client_));
  EXPECT_TRUE(receive_all(bait_).reset);
  EXPECT_EQ(last(1).end_reason, EndReason::reset_by_client);
  open();
  send_text(client_, "x");
  EXPECT_EQ(receive_all(bait_, 1).text, "x");
  reset(std::move(bait_));
  EXPECT_TRUE(receive_all(client_).reset);
  EXPECT_EQ(last(2).end_reason, EndReason::reset_by_server);
}

TEST_P(RelayTest, ABaitThatRefusesIsAnOutcome) {
  auto client = connect_from(rig_->network().attacker(), "10.99.1.2:91");
  ASSERT_TRUE(client);
  EXPECT_TRUE(receive_all(*client).reset);
  EXPECT_EQ(last(1).end_reason, EndReason::bait_refused);
}

TEST_P(RelayTest, ABaitThatIsAwayIsAnOutcome) {
  ASSERT_TRUE(rig_->network().set_link(false));
  auto client = connect_from(rig_->network().attacker(), kListen);
  ASSERT_TRUE(client);
  EXPECT_TRUE(receive_all(*client).reset);
  EXPECT_EQ(last(1).end_reason, EndReason::bait_unreachable);
}

TEST_P(RelayTest, IPv6IsRecordedAsItself) {
  const auto done = testbed::run_to_end({"/usr/bin/env", "ip", "addr", "add", "fd00:99::2/64", "dev", "lo", "nodad"},
                                        {rig_->network().proxy(), {}, {}});
  ASSERT_TRUE(done) << done.error().message;
  auto client = connect_from(rig_->network().proxy(), "[fd00:99::2]:90");
  ASSERT_TRUE(client) << client.error().message;
  auto bait = accept_one(listener_);
  ASSERT_TRUE(bait);
  send_text(*client, "six");
  client->reset();
  EXPECT_EQ(receive_all(*bait).text, "six");
  bait->reset();
  const auto session = last(1);
  EXPECT_EQ(address_text(session.client), "fd00:99::2");
  EXPECT_EQ(session.bytes_in, 3u);
  const std::string file = rig_->file("six.pcapng");
  ASSERT_EQ(rig_->skep({"session", "export", to_string(session.id), "-o", file}).code, 0);
  const auto read = testbed::run_to_end({"tshark", "-r", file, "-T", "fields", "-e", "ipv6.src", "-e", "data.text"},
                                        {{}, rig_->file("tshark.err"), rig_->file("tshark.out")});
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_NE(read_file(rig_->file("tshark.out"))->find("fd00:99::2"), std::string::npos);
}

// What was sent is what arrives and what is recorded, however slowly the other side reads.
TEST_P(RelayTest, ManyBytesInBothDirectionsAreAllThere) {
  open();
  std::string to_bait(5'000'000, '\0');
  std::string to_client(7'000'000, '\0');
  std::mt19937 random(1);
  for (std::string* text : {&to_bait, &to_client}) {
    for (char& c : *text) c = static_cast<char>(random());
  }
  std::thread client_sends([&] {
    send_text(client_, to_bait);
    ::shutdown(client_.get(), SHUT_WR);
  });
  std::thread bait_sends([&] {
    send_text(bait_, to_client);
    ::shutdown(bait_.get(), SHUT_WR);
  });
  std::string client_got;
  std::thread client_reads([&] { client_got = receive_all(client_).text; });
  EXPECT_TRUE(receive_all(bait_).text == to_bait);
  for (std::thread* each : {&client_sends, &bait_sends, &client_reads}) each->join();
  EXPECT_TRUE(client_got == to_client);
  client_.reset();
  bait_.reset();
  const auto session = last(1);
  const std::string id = to_string(session.id);
  ASSERT_EQ(rig_->skep({"session", "export", id, "--format", "raw", "-o", rig_->file("raw")}).code, 0);
  EXPECT_TRUE(read_file(rig_->file("raw/" + id + ".in")).value_or("") == to_bait);
  EXPECT_TRUE(read_file(rig_->file("raw/" + id + ".out")).value_or("") == to_client);
}

// Until nobody on the way takes any more, for a while. Returns how many bytes.
size_t send_until_full(const Fd& socket) {
  const std::string block(65536, 'x');
  size_t sent = 0;
  for (int refused = 0; refused < 20;) {
    const ssize_t put = ::send(socket.get(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put > 0) sent += static_cast<size_t>(put);
    refused = put > 0 ? 0 : refused + 1;
    if (put < 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return sent;
}

// The attacker and the bait have finished, but bytes wait for a bait that does not read: for as long as it may take, at
// no cost.
TEST_P(RelayTest, RestsWhileALegThatHasFinishedWaitsForTheOther) {
  open();
  ::shutdown(bait_.get(), SHUT_WR);
  EXPECT_EQ(receive_all(client_).text, "");
  const size_t sent = send_until_full(client_);
  ::shutdown(client_.get(), SHUT_WR);
  const auto ticks = [&] {
    const auto stat = read_file(fmt::format("/proc/{}/stat", rig_->proxy()->pid()));
    const auto words = split(std::string_view(*stat).substr(stat->rfind(')') + 2), ' ');
    return std::stol(std::string(words[11])) + std::stol(std::string(words[12]));
  };
  const long before = ticks();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  EXPECT_LT(ticks() - before, 30) << "of 100 ticks in that second";
  EXPECT_GT(sent, 262'144u);
  EXPECT_EQ(receive_all(bait_).text.size(), sent) << "and when it reads, it gets them all";
}

TEST_P(RelayTest, AnOperatorFollowsAndCutsALiveSession) {
  open();
  send_text(client_, "live bytes");
  EXPECT_EQ(receive_all(bait_, 10).text, "live bytes");
  std::string id;
  ASSERT_TRUE(eventually([&] {
    const std::string text = rig_->skep({"session", "list", "--json"}).text;
    if (text.find("\"bytes_in\":10,") == std::string::npos) return false;
    id = text.substr(text.find("\"id\":\"") + 6, text.find("\",", text.find("\"id\":\"")) - text.find("\"id\":\"") - 6);
    return true;
  })) << "an open session is listed";
  auto follower =
      testbed::Process::start({rig_->program("skep"), "session", "follow", id, "--archive", rig_->file("archive")},
                              {{}, rig_->file("follow.err"), rig_->file("follow.out")});
  ASSERT_TRUE(follower);
  ASSERT_TRUE(eventually(
      [&] { return read_file(rig_->file("follow.out")).value_or("").find("live bytes") != std::string::npos; }));
  ASSERT_EQ(rig_->skep({"session", "cut", id}).code, 0);
  EXPECT_TRUE(receive_all(client_).reset);
  EXPECT_TRUE(receive_all(bait_).reset);
  const auto ended = follower->await_end(5000);
  ASSERT_TRUE(ended && *ended == 0) << "the follower ends with its session";
  EXPECT_EQ(last(1).end_reason, EndReason::cut);
  EXPECT_EQ(rig_->skep({"session", "cut", id}).code, 1) << "it is not open any more";
}

TEST_P(RelayTest, ToldToStopItGivesLiveSessionsTheirGraceAndSaysSo) {
  open();
  rig_->proxy()->signal(SIGTERM);
  const auto status = rig_->proxy()->await_end(6000);
  ASSERT_TRUE(status);
  EXPECT_EQ(*status, 0);
  EXPECT_EQ(last(1).end_reason, EndReason::shutdown);
}

INSTANTIATE_TEST_SUITE_P(BothEngines, RelayTest, testing::Values("epoll", "io_uring"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace skep::harness
