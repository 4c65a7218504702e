// Trap and switch: a real nginx is production, another one the bait. Ordinary sessions are production's, byte for byte;
// those in which a rule fires are the bait's: the very session (trap), or the source's later ones (switch).
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "harness/hosts.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

using archive::SessionSummary;

constexpr char kEntrance[] = "10.99.1.2:9090";
constexpr char kBait[] = "10.99.0.3:9000";
constexpr char kProduction[] = "10.99.0.3:9001";

constexpr char kRules[] =
    "alert http any any -> any any (msg:\"cmd.exe asked for\"; flow:to_server,established; content:\"/cmd.exe\"; "
    "http_uri; nocase; reference:cve,2000-0884; sid:1000001;)\n"
    "alert tcp any any -> any any (msg:\"a sled\"; flow:to_server,established; content:\"AAAAAAAAAAAAAAAA\"; "
    "classtype:shellcode-detect; sid:1000003;)\n";

constexpr char kNginx[] = R"(daemon off;
worker_processes 1;
error_log {0}/{1}/error.log;
pid {0}/{1}/nginx.pid;
events {{ worker_connections 256; }}
http {{
  log_format line '$request';
  access_log {0}/{1}/access.log line;
  client_body_temp_path {0}/{1}/body;
  proxy_temp_path {0}/{1}/proxy;
  fastcgi_temp_path {0}/{1}/fastcgi;
  uwsgi_temp_path {0}/{1}/uwsgi;
  scgi_temp_path {0}/{1}/scgi;
  server {{ listen {2}; location / {{ return 200 "{1} $request_uri {3}"; }} }}
}}
)";

std::string ordinary(int number) {
  return fmt::format("GET /page{} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n", number);
}
const std::string kAttack = "GET /scripts/cmd.exe?/c+dir HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n";

// Without the line that tells the time.
std::string timeless(std::string answer) {
  const size_t from = answer.find("Date: ");
  if (from != std::string::npos) answer.erase(from, answer.find('\n', from) - from);
  return answer;
}

class TrapTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    if (::access("/usr/sbin/nginx", X_OK) != 0) GTEST_SKIP() << "nginx is not installed";
    RigOptions options;
    options.with_bait = false;
    rig_.emplace(options);
    ASSERT_TRUE(rig_->set_up());
    for (const char* address : {"10.99.1.5/24", "10.99.1.6/24"})
      ASSERT_TRUE(testbed::run_to_end({"/usr/bin/env", "ip", "addr", "add", address, "dev", "skoa"},
                                      {rig_->network().attacker(), {}, {}}));
    ASSERT_TRUE(write_file(rig_->file("test.rules"), kRules));
  }
  // One that answers with its name, what was asked for, and enough to be no single packet.
  void serve(const std::string& name, const std::string& endpoint) {
    ASSERT_TRUE(make_directories(rig_->file(name)));
    const std::string config = rig_->file(name + ".conf");
    ASSERT_TRUE(write_file(config, fmt::format(kNginx, rig_->file("."), name, endpoint, std::string(3000, name[0]))));
    auto started = testbed::Process::start({"/usr/sbin/nginx", "-c", config, "-p", rig_->file(name)},
                                           {rig_->network().honeypot(), rig_->file(name + ".log"), {}});
    ASSERT_TRUE(started) << started.error().message;
    servers_.push_back(std::move(*started));
    ASSERT_TRUE(eventually([&] { return !!connect_from(rig_->network().proxy(), endpoint); }));
  }
  void start(const std::string& service, const std::string& filter = "") {
    ASSERT_TRUE(write_file(
        rig_->file("proxy.yaml"),
        fmt::format("archive: {}\nfilter:\n  rules: [{}]\n{}services:\n  - {{name: web, listen: "
                    "[\"{}\"], address: \"{}\", production: \"{}\", {}}}\n",
                    rig_->file("archive"), rig_->file("test.rules"), filter, kEntrance, kBait, kProduction, service)));
    const auto started = rig_->start_proxy();
    ASSERT_TRUE(started) << started.error().message << rig_->log("proxy");
  }
  Fd client(const std::string& source = {}) {
    auto socket = connect_from(rig_->network().attacker(), kEntrance, source);
    EXPECT_TRUE(socket) << socket.error().message;
    return socket ? std::move(*socket) : Fd();
  }
  // What is answered through the proxy, without the time.
  std::string asked(const std::string& request, const std::string& source = {}) {
    const Fd from = client(source);
    send_text(from, request);
    return timeless(receive_all(from).text);
  }
  // … by production or the bait itself.
  std::string asked_at(const std::string& endpoint, const std::string& request) {
    auto from = connect_from(rig_->network().proxy(), endpoint);
    EXPECT_TRUE(from);
    send_text(*from, request);
    return timeless(receive_all(*from).text);
  }
  std::vector<SessionSummary> sessions(size_t count) {
    auto all = rig_->sessions(count, 60'000);
    EXPECT_TRUE(all) << all.error().message;
    return all ? std::move(*all) : std::vector<SessionSummary>(count);
  }
  // Requests that a server has seen with this in them.
  size_t seen(const std::string& name, const std::string& words) {
    const auto log = read_file(rig_->file(name) + "/access.log");
    size_t count = 0;
    for (const std::string_view line : split(log.value_or(""), '\n'))
      count += line.find(words) != std::string_view::npos ? 1 : 0;
    return count;
  }
  Fd listen(const std::string& endpoint) {
    auto listener = listen_on(rig_->network().honeypot(), endpoint);
    EXPECT_TRUE(listener) << listener.error().message;
    return listener ? std::move(*listener) : Fd();
  }

  std::optional<Rig> rig_;
  std::vector<testbed::Process> servers_;
};

TEST_F(TrapTest, AThousandOrdinarySessionsAreProductionsAndEachAttackIsTheBaits) {
  serve("bait", kBait);
  serve("production", kProduction);
  start("mode: trap");
  constexpr int kOrdinary = 1000;
  constexpr int kKinds = 20;
  constexpr int kEach = 10;  // ordinary ones before an attack
  std::vector<std::string> expected;
  for (int i = 0; i < kKinds; ++i) expected.push_back(asked_at(kProduction, ordinary(i)));
  const std::string of_bait = asked_at(kBait, kAttack);
  ASSERT_NE(of_bait, asked_at(kProduction, kAttack));
  const size_t own = seen("production", "cmd.exe");
  int untouched = 0;
  int trapped = 0;
  int attacks = 0;
  for (int i = 0; i < kOrdinary; ++i) {
    untouched += asked(ordinary(i % kKinds)) == expected[static_cast<size_t>(i % kKinds)] ? 1 : 0;
    if (i % kEach != 0) continue;
    ++attacks;
    const Fd from = client();
    for (size_t at = 0; at < kAttack.size(); at += 7) send_text(from, kAttack.substr(at, 7));
    trapped += timeless(receive_all(from).text) == of_bait ? 1 : 0;
  }
  EXPECT_EQ(untouched, kOrdinary);
  EXPECT_EQ(trapped, attacks);
  EXPECT_EQ(seen("production", "cmd.exe"), own) << "production sees none of them";
  EXPECT_EQ(seen("bait", "page"), 0u) << "and the bait no ordinary one";
  const auto all = sessions(static_cast<size_t>(kOrdinary + attacks));
  size_t at_bait = 0;
  for (const SessionSummary& session : all) {
    EXPECT_EQ(session.session_class, SessionClass::harmless);
    EXPECT_EQ(session.bytes_in, session.forwarded_in);
    EXPECT_EQ(to_string(session.bait), session.rule_hits.empty() ? kProduction : kBait);
    if (session.rule_hits.empty()) continue;
    ++at_bait;
    EXPECT_EQ(session.rule_hits[0].action, HitAction::trapped);
  }
  EXPECT_EQ(at_bait, static_cast<size_t>(attacks));
}

TEST_F(TrapTest, AGenericRuleTrapsWhereAnyDoes) {
  serve("bait", kBait);
  serve("production", kProduction);
  start("mode: trap, trap_on: specific");
  const std::string sled = "GET /" + std::string(64, 'A') + " HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(asked(sled), asked_at(kProduction, sled));
  EXPECT_EQ(asked(kAttack), asked_at(kBait, kAttack));
  ASSERT_TRUE(
      write_file(rig_->file("proxy.yaml"),
                 fmt::format("archive: {}\nfilter: {{rules: [{}]}}\nservices:\n  - {{name: web, listen: [\"{}\"], "
                             "address: \"{}\", production: \"{}\", mode: trap}}\n",
                             rig_->file("archive"), rig_->file("test.rules"), kEntrance, kBait, kProduction)));
  ASSERT_EQ(rig_->skep({"reload"}).code, 0) << rig_->log("proxy");
  EXPECT_EQ(asked(sled), asked_at(kBait, sled));
  const auto all = sessions(3);
  EXPECT_EQ(all[0].rule_hits.at(0).action, HitAction::tagged);
  EXPECT_EQ(all[2].rule_hits.at(0).action, HitAction::trapped);
}

// Protocols in which the server speaks first, clients that say nothing, go, or send half of something.
TEST_F(TrapTest, WhoSaysNothingThatDecidesGoesToProduction) {
  const Fd production = listen(kProduction);
  const Fd bait = listen(kBait);
  start("mode: trap", "  hold_ms: 150\n");
  Fd waits = client();
  auto at = accept_one(production);
  ASSERT_TRUE(at);
  send_text(*at, "220 welcome\r\n");
  EXPECT_EQ(receive_all(waits, 13).text, "220 welcome\r\n");
  send_text(waits, "GET /cmd.exe HTTP/1.0\r\n\r\n");
  EXPECT_EQ(receive_all(*at, 25).text, "GET /cmd.exe HTTP/1.0\r\n\r\n") << "too late: it has met production";
  at->reset();
  EXPECT_EQ(receive_all(waits).text, "");
  waits.reset();
  Fd half = client();
  send_text(half, "GET /ha");
  at = accept_one(production);
  ASSERT_TRUE(at);
  EXPECT_EQ(receive_all(*at, 7).text, "GET /ha");
  at->reset();
  half.reset();
  Fd finishes = client();
  send_text(finishes, "GET /c");
  ::shutdown(finishes.get(), SHUT_WR);
  at = accept_one(production);
  ASSERT_TRUE(at);
  EXPECT_EQ(receive_all(*at).text, "GET /c");
  at->reset();
  finishes.reset();
  reset(client());
  reset(client());
  const auto all = sessions(5);
  EXPECT_EQ(all[0].rule_hits.at(0).action, HitAction::late);
  pollfd nobody{bait.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&nobody, 1, 0), 0) << "the bait was never asked";
}

TEST_F(TrapTest, AfterARuleTheSourcesNextSessionsAreTheBaits) {
  serve("bait", kBait);
  serve("production", kProduction);
  start("mode: switch", "  switch_ms: 3000\n  switched_max: 1\n");
  const std::string of_production = asked_at(kProduction, ordinary(1));
  const std::string of_bait = asked_at(kBait, ordinary(1));
  int untouched = 0;
  for (int i = 0; i < 1000; ++i) untouched += asked(ordinary(1), "10.99.1.6") == of_production ? 1 : 0;
  EXPECT_EQ(untouched, 1000);
  EXPECT_EQ(rig_->skep({"filter", "switched", "--json"}).text, "");
  EXPECT_EQ(asked(kAttack, "10.99.1.5"), asked_at(kProduction, kAttack)) << "the session in which it fires stays";
  for (int i = 0; i < 3; ++i) EXPECT_EQ(asked(ordinary(1), "10.99.1.5"), of_bait);
  EXPECT_EQ(asked(ordinary(1), "10.99.1.6"), of_production) << "another source";
  const std::string listed = rig_->skep({"filter", "switched", "--json"}).text;
  EXPECT_NE(listed.find("{\"source\":\"10.99.1.5\","), std::string::npos) << listed;
  EXPECT_NE(listed.find("\"sid\":1000001,\"msg\":\"cmd.exe asked for\",\"sessions\":3}"), std::string::npos) << listed;
  EXPECT_NE(rig_->skep({"filter", "switched"}).text.find("10.99.1.5"), std::string::npos);
  EXPECT_EQ(asked(kAttack, "10.99.1.6"), asked_at(kProduction, kAttack));
  EXPECT_EQ(asked(ordinary(1), "10.99.1.6"), of_production) << "there is no place for one more";
  EXPECT_NE(rig_->skep({"status", "--json"}).text.find("\"switched\":1,\"switched_turned_down\":1"), std::string::npos);
  EXPECT_EQ(rig_->skep({"filter", "release", "10.99.1.5"}).code, 0);
  EXPECT_EQ(rig_->skep({"filter", "release", "10.99.1.5"}).code, 1) << "it is not there any more";
  EXPECT_EQ(asked(ordinary(1), "10.99.1.5"), of_production);
  EXPECT_EQ(asked(kAttack, "10.99.1.5"), asked_at(kProduction, kAttack));
  EXPECT_EQ(asked(ordinary(1), "10.99.1.5"), of_bait);
  EXPECT_TRUE(eventually([&] { return asked(ordinary(1), "10.99.1.5") == of_production; })) << "its time has passed";
  const auto all = rig_->sessions(1);
  ASSERT_TRUE(all);
  EXPECT_TRUE(std::all_of(all->begin(), all->end(), [](const SessionSummary& each) {
    return each.session_class == SessionClass::harmless && each.bytes_in == each.forwarded_in;
  }));
}

}  // namespace
}  // namespace skep::harness
