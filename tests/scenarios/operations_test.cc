// Running the programs: what they tell the service manager, the scraper and the log; options read again under way;
// the end.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "formats/yaml.h"
#include "harness/hosts.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

// From 1024 on: what is opened below it after the start, nobody may open.
constexpr char kListen[] = "10.99.1.2:9090";
constexpr char kOther[] = "10.99.1.2:9092";
constexpr char kMetrics[] = "10.99.1.2:9464";
constexpr char kBait[] = "10.99.0.3:9000";

// A service manager's socket.
class Manager {
 public:
  explicit Manager(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    ::setenv("WATCHDOG_USEC", "600000", 1);
  }
  ~Manager() {
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
  }
  // "" where nothing comes in that time.
  std::string next(int timeout_ms) const {
    pollfd wait{socket_.get(), POLLIN, 0};
    if (::poll(&wait, 1, timeout_ms) != 1) return "";
    char text[512];
    const ssize_t got = ::recv(socket_.get(), text, sizeof text, 0);
    return got < 0 ? "" : std::string(text, static_cast<size_t>(got));
  }
  // Whether it comes, whatever comes before it.
  bool hears(const std::string& words) const {
    for (std::string said = next(20'000); !said.empty(); said = next(20'000)) {
      if (said.find(words) != std::string::npos) return true;
    }
    return false;
  }

 private:
  Fd socket_;
};

std::string random_text(size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

class OperationsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
  }
  void set_up(const std::string& proxy_more) {
    RigOptions options;
    options.proxy_more = proxy_more;
    options.services_proxy = fmt::format("  - {{name: bare, listen: [\"{}\"], address: {}}}\n", kListen, kBait);
    options.with_bait = false;
    rig_.emplace(options);
    ASSERT_TRUE(rig_->set_up());
    auto listener = listen_on(rig_->network().honeypot(), kBait);
    ASSERT_TRUE(listener) << listener.error().message;
    listener_ = std::move(*listener);
  }
  void start(const std::string& proxy_more) {
    ASSERT_NO_FATAL_FAILURE(set_up(proxy_more));
    const auto started = rig_->start_proxy();
    ASSERT_TRUE(started) << started.error().message;
  }
  struct Session {
    Fd client;
    Fd bait;
  };
  Session open(const char* at = kListen) {
    Session session;
    auto client = connect_from(rig_->network().attacker(), at);
    EXPECT_TRUE(client) << client.error().message;
    if (client) session.client = std::move(*client);
    auto bait = accept_one(listener_);
    EXPECT_TRUE(bait) << bait.error().message;
    if (bait) session.bait = std::move(*bait);
    return session;
  }
  void write_options(const std::string& more, const std::string& services) {
    const std::string text = fmt::format("archive: {}\nkeys: {}\n{}\nservices:\n{}", rig_->file("archive"),
                                         rig_->file("keys"), more, services);
    ASSERT_TRUE(write_file(rig_->file("proxy.yaml"), text));
  }
  static std::string service(const char* name, const char* listen, const char* more = "") {
    return fmt::format("  - {{name: {}, listen: [\"{}\"], address: {}{}}}\n", name, listen, kBait, more);
  }
  Rig::Said reload() { return rig_->skep({"reload"}); }
  // A new session's whole exchange through `at`.
  bool serves(const char* at) {
    Session session = open(at);
    if (!session.client || !session.bait) return false;
    send_text(session.client, "question");
    const bool asked = receive_all(session.bait, 8).text == "question";
    session.client.reset();
    return asked;
  }
  std::string scrape() {
    auto scraper = connect_from(rig_->network().attacker(), kMetrics);
    if (!scraper) return scraper.error().message;
    send_text(*scraper, "GET /metrics HTTP/1.1\r\nHost: proxy\r\n\r\n");
    return receive_all(*scraper).text;
  }
  int exit_code(int timeout_ms) {
    const auto status = rig_->proxy()->await_end(timeout_ms);
    return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
  }
  std::optional<Rig> rig_;
  Fd listener_;
};

TEST_F(OperationsTest, TheProxyTellsItsServiceManagerThatItIsReadyAliveAndStopping) {
  ASSERT_NO_FATAL_FAILURE(set_up(""));
  const Manager manager(rig_->file("notify"));
  ASSERT_TRUE(rig_->start_proxy());
  EXPECT_TRUE(manager.hears("READY=1"));
  EXPECT_TRUE(manager.hears("WATCHDOG=1"));
  EXPECT_TRUE(manager.hears("WATCHDOG=1")) << "and again";
  const Session session = open();
  EXPECT_TRUE(manager.hears("STATUS=1 sessions live, 1 in all"));
  rig_->proxy()->signal(SIGTERM);
  EXPECT_TRUE(manager.hears("STOPPING=1"));
  EXPECT_EQ(exit_code(10'000), 0);
}

TEST_F(OperationsTest, ALoopThatIsStuckIsSilent) {
  ASSERT_NO_FATAL_FAILURE(set_up(""));
  const Manager manager(rig_->file("notify"));
  ASSERT_TRUE(rig_->start_proxy());
  ASSERT_TRUE(manager.hears("WATCHDOG=1"));
  rig_->proxy()->signal(SIGSTOP);
  while (!manager.next(100).empty()) {
  }
  EXPECT_EQ(manager.next(1500), "") << "more than twice the manager's patience";
  rig_->proxy()->signal(SIGCONT);
  EXPECT_TRUE(manager.hears("WATCHDOG=1"));
}

TEST_F(OperationsTest, TheMonitorTellsItsServiceManagerWhenItsJudgeIsAtWork) {
  RigOptions options;
  options.services_monitor = "  - {name: idle, command: [/bin/sleep, \"1000\"], port: 9000}\n";
  options.services_proxy = service("idle", kListen, ", bait: bait1");
  rig_.emplace(options);
  ASSERT_TRUE(rig_->set_up());
  const Manager manager(rig_->file("notify"));
  const auto started = rig_->start_monitor();
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_TRUE(manager.hears("READY=1"));
  EXPECT_TRUE(manager.hears("WATCHDOG=1"));
  rig_->monitor()->signal(SIGTERM);
  EXPECT_TRUE(manager.hears("STOPPING=1"));
}

TEST_F(OperationsTest, AScraperReadsWhatHasHappened) {
  ASSERT_NO_FATAL_FAILURE(start(fmt::format("metrics: {}\n", kMetrics)));
  Session session = open();
  send_text(session.client, "seventeen letters");
  EXPECT_EQ(receive_all(session.bait, 17).text, "seventeen letters");
  const auto says = [&](const char* line) {
    return eventually([&] { return scrape().find(line) != std::string::npos; });
  };
  EXPECT_TRUE(says("\nskep_sessions_live{service=\"bare\"} 1\n")) << scrape();
  EXPECT_TRUE(says("\nskep_received_bytes_total{service=\"bare\",from=\"attacker\"} 17\n")) << "of the open session";
  session.client.reset();
  session.bait.reset();
  EXPECT_TRUE(says("\nskep_sessions_ended_total{service=\"bare\",reason=\"client-closed\"} 1\n")) << scrape();
  if (::access("/usr/bin/promtool", X_OK) != 0) GTEST_SKIP() << "promtool (package prometheus) is not installed";
  const std::string page = scrape();
  ASSERT_TRUE(write_file(rig_->file("page"), page.substr(page.find("\r\n\r\n") + 4)));
  const auto checked = testbed::run_to_end({"/bin/sh", "-c", "exec promtool check metrics < " + rig_->file("page")},
                                           {{}, rig_->file("promtool.out"), {}});
  EXPECT_TRUE(checked) << checked.error().message;
}

TEST_F(OperationsTest, ALogOfJsonHoldsAnObjectALine) {
  ASSERT_NO_FATAL_FAILURE(start("log: {format: json, level: debug}\nsessions_max: 1\n"));
  Session first = open();
  auto second = connect_from(rig_->network().attacker(), kListen);
  ASSERT_TRUE(second);
  EXPECT_TRUE(receive_all(*second).reset) << "one is the most";
  rig_->proxy()->signal(SIGTERM);
  EXPECT_EQ(exit_code(10'000), 0);
  size_t lines = 0;
  bool with_session = false;
  const std::string log = rig_->log("proxy");
  for (const std::string_view line : split(log, '\n')) {
    if (line.empty() || line == "ready") continue;
    const auto object = formats::parse_yaml("line", std::string(line));
    ASSERT_TRUE(object && object->IsMap()) << line;
    for (const char* key : {"time", "level", "area", "message"}) EXPECT_TRUE((*object)[key].IsScalar()) << line;
    with_session |= (*object)["session"].IsDefined();
    ++lines;
  }
  EXPECT_GE(lines, 3u);
  EXPECT_TRUE(with_session) << log;
}

TEST_F(OperationsTest, SessionsGoOnByteForByteWhileOptionsAreReadAgain) {
  ASSERT_NO_FATAL_FAILURE(start(""));
  constexpr size_t kSessions = 6;
  constexpr size_t kBytes = 3'000'000;
  std::vector<Session> sessions;
  for (size_t i = 0; i < kSessions; ++i) sessions.push_back(open());
  std::vector<std::jthread> senders;
  std::vector<std::string> got(2 * kSessions);
  for (unsigned i = 0; i < kSessions; ++i) {
    senders.emplace_back([&, i] {
      send_text(sessions[i].client, random_text(kBytes, i));
      ::shutdown(sessions[i].client.get(), SHUT_WR);
    });
    senders.emplace_back([&, i] {
      send_text(sessions[i].bait, random_text(kBytes, 100 + i));
      ::shutdown(sessions[i].bait.get(), SHUT_WR);
    });
  }
  // A tenth of it with each change, so that all are under way the whole time.
  const auto receive = [&](size_t most) {
    for (size_t i = 0; i < kSessions; ++i) {
      got[i] += receive_all(sessions[i].bait, most).text;
      got[kSessions + i] += receive_all(sessions[i].client, most).text;
    }
  };
  for (int turn = 0; turn < 10; ++turn) {
    receive(kBytes / 11);
    write_options(fmt::format("idle_timeout_ms: {}\nsession_bytes_max: {}", 100'000 + turn, 100'000 + turn),
                  turn % 2 == 0 ? service("other", kOther) : service("bare", kListen, ", on_alert: cut"));
    ASSERT_EQ(reload().code, 0) << rig_->log("proxy");
  }
  receive(SIZE_MAX);
  senders.clear();
  for (unsigned i = 0; i < kSessions; ++i) {
    EXPECT_TRUE(got[i] == random_text(kBytes, i)) << i;
    EXPECT_TRUE(got[kSessions + i] == random_text(kBytes, 100 + i)) << i;
  }
  sessions.clear();
  const auto all = rig_->sessions(kSessions);
  ASSERT_TRUE(all) << all.error().message;
  for (const archive::SessionSummary& session : *all) {
    EXPECT_EQ(session.service, "bare");
    EXPECT_EQ(session.bytes_in, kBytes) << "its own limits were those that it began with";
    EXPECT_EQ(session.bytes_out, kBytes);
  }
}

TEST_F(OperationsTest, ServicesComeAndGoWithTheOptions) {
  ASSERT_NO_FATAL_FAILURE(start(""));
  write_options("", service("bare", kListen) + service("other", kOther));
  ASSERT_EQ(reload().code, 0) << rig_->log("proxy");
  EXPECT_TRUE(serves(kListen));
  EXPECT_TRUE(serves(kOther));
  write_options("", service("other", kOther));
  rig_->proxy()->signal(SIGHUP);
  ASSERT_TRUE(rig_->await_log("proxy", R"(options are read again: {"changed":["services"],"listening":1})"));
  EXPECT_FALSE(connect_from(rig_->network().attacker(), kListen)) << "refused";
  EXPECT_TRUE(serves(kOther));
  write_options("", service("renamed", kOther));
  ASSERT_EQ(reload().code, 0);
  EXPECT_TRUE(serves(kOther));
  const auto all = rig_->sessions(4);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->back().service, "renamed");
  EXPECT_NE(rig_->skep({"status"}).text.find("renamed"), std::string::npos);
}

TEST_F(OperationsTest, OptionsThatCannotBeTakenLeaveAllAsItWas) {
  ASSERT_NO_FATAL_FAILURE(start(""));
  const auto refused = [&](const std::string& words) {
    EXPECT_EQ(reload().code, 1) << words;
    EXPECT_NE(read_file(rig_->file("skep.err"))->find(words), std::string::npos) << *read_file(rig_->file("skep.err"));
    EXPECT_TRUE(serves(kListen)) << words;
    EXPECT_FALSE(connect_from(rig_->network().attacker(), kOther)) << words;
  };
  write_options("idle_timeout: 5", service("other", kOther));
  refused("unknown key 'idle_timeout'; did you mean 'idle_timeout_ms'?");
  write_options("segment_bytes: 2097152\nheartbeat_ms: 77", service("other", kOther));
  refused("heartbeat_ms, segment_bytes cannot change while skep-proxy runs");
  // The second of two listeners is somebody else's: the first is not left open.
  const auto taken = listen_on(rig_->network().proxy(), "10.99.1.2:9093");
  ASSERT_TRUE(taken);
  write_options("", service("bare", kListen) + service("other", kOther) + service("third", "10.99.1.2:9093"));
  refused("Address already in use");
  write_options("", service("bare", kListen) + service("low", "10.99.1.2:92"));
  refused("given up at the start: restart skep-proxy");
  ASSERT_TRUE(write_file(rig_->file("proxy.yaml"), ""));
  refused("proxy.yaml");
}

TEST_F(OperationsTest, TheManagerHearsOfAReload) {
  ASSERT_NO_FATAL_FAILURE(set_up(""));
  const Manager manager(rig_->file("notify"));
  ASSERT_TRUE(rig_->start_proxy());
  ASSERT_TRUE(manager.hears("READY=1"));
  rig_->proxy()->signal(SIGHUP);
  EXPECT_TRUE(manager.hears("RELOADING=1\nMONOTONIC_USEC="));
  EXPECT_TRUE(manager.hears("READY=1"));
}

TEST_F(OperationsTest, ASessionThatEndsWithinTheGraceEndsByItself) {
  ASSERT_NO_FATAL_FAILURE(start("shutdown_grace_ms: 60000\n"));
  Session session = open();
  rig_->proxy()->signal(SIGTERM);
  ASSERT_TRUE(rig_->await_log("proxy", "told to stop"));
  EXPECT_FALSE(connect_from(rig_->network().attacker(), kListen)) << "no new session";
  send_text(session.client, "still there");
  EXPECT_EQ(receive_all(session.bait, 11).text, "still there");
  session.client.reset();
  session.bait.reset();
  EXPECT_EQ(exit_code(20'000), 0);
  const auto all = rig_->sessions(1);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->back().end_reason, EndReason::client_closed);
  EXPECT_EQ(all->back().bytes_in, 11u);
}

TEST_F(OperationsTest, AtTheEndOfTheGraceEverySessionHasAnEnd) {
  ASSERT_NO_FATAL_FAILURE(start("shutdown_grace_ms: 300\n"));
  std::vector<Session> sessions;
  for (int i = 0; i < 20; ++i) sessions.push_back(open());
  rig_->proxy()->signal(SIGTERM);
  EXPECT_EQ(exit_code(20'000), 0);
  const auto all = rig_->sessions(20);
  ASSERT_TRUE(all) << all.error().message;
  for (const archive::SessionSummary& session : *all) EXPECT_EQ(session.end_reason, EndReason::shutdown);
}

TEST_F(OperationsTest, ToldTwiceItEndsAtOnce) {
  ASSERT_NO_FATAL_FAILURE(start("shutdown_grace_ms: 600000\n"));
  const Session session = open();
  rig_->proxy()->signal(SIGTERM);
  ASSERT_TRUE(rig_->await_log("proxy", "told to stop"));
  rig_->proxy()->signal(SIGTERM);
  EXPECT_EQ(exit_code(20'000), 0) << "not after ten minutes";
  EXPECT_TRUE(receive_all(session.client).reset);
  const auto all = rig_->sessions(1);
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->back().end_reason, EndReason::shutdown);
}

}  // namespace
}  // namespace skep::harness
