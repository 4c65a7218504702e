// The filter: what a rule says is known does not reach the bait, and everything else does, byte for byte.
#include <sys/socket.h>

#include <algorithm>
#include <thread>

#include "base/file.h"
#include "formats/yaml.h"
#include "harness/hosts.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

using archive::SessionSummary;

constexpr char kEntrance[] = "10.99.1.2:9090";
constexpr char kBait[] = "10.99.0.3:9000";
constexpr char kElsewhere[] = "10.99.0.3:9001";

constexpr char kRules[] =
    "alert http any any -> any any (msg:\"cmd.exe asked for\"; flow:to_server,established; content:\"/cmd.exe\"; "
    "http_uri; nocase; reference:cve,2000-0884; sid:1000001; rev:3;)\n"
    "alert tcp any any -> any any (msg:\"a known command\"; flow:to_server,established; content:\"EVIL\"; "
    "reference:cve,2004-9; sid:1000002; rev:1;)\n"
    "alert tcp any any -> any any (msg:\"a sled\"; flow:to_server,established; content:\"AAAAAAAAAAAAAAAA\"; "
    "classtype:shellcode-detect; sid:1000003; rev:1;)\n"
    "alert tcp any any -> any any (msg:\"damaged; content:\"x\"; sid:1000004;)\n";

const std::string kAttack = "GET /scripts/cmd.exe?/c+dir HTTP/1.0\r\n\r\n";
const std::string kHarmless = "GET /index.html HTTP/1.0\r\n\r\n";

class FilterTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    RigOptions options;
    options.with_bait = false;
    rig_.emplace(options);
    ASSERT_TRUE(rig_->set_up());
    ASSERT_TRUE(write_file(rig_->file("test.rules"), kRules));
    bait_ = listen(kBait);
    elsewhere_ = listen(kElsewhere);
  }
  Fd listen(const std::string& endpoint) {
    auto listener = listen_on(rig_->network().honeypot(), endpoint);
    EXPECT_TRUE(listener) << listener.error().message;
    return listener ? std::move(*listener) : Fd();
  }
  // `filter`: lines under `filter:` beside the rules.
  void configure(const std::string& filter, const std::string& service = "") {
    ASSERT_TRUE(
        write_file(rig_->file("proxy.yaml"),
                   fmt::format("archive: {0}\nfilter:\n  rules: [{1}]\n{2}services:\n"
                               "  - {{name: web, listen: [\"{3}\"], address: \"{4}\"{5}}}\n",
                               rig_->file("archive"), rig_->file("test.rules"), filter, kEntrance, kBait, service)));
  }
  void start(const std::string& filter, const std::string& service = "") {
    configure(filter, service);
    const auto started = rig_->start_proxy();
    ASSERT_TRUE(started) << started.error().message << rig_->log("proxy");
  }
  Fd client() {
    auto socket = connect_from(rig_->network().attacker(), kEntrance);
    EXPECT_TRUE(socket) << socket.error().message;
    return socket ? std::move(*socket) : Fd();
  }
  std::vector<SessionSummary> sessions(size_t count) {
    auto all = rig_->sessions(count);
    EXPECT_TRUE(all) << all.error().message;
    return all ? std::move(*all) : std::vector<SessionSummary>(count);
  }
  std::string status() { return rig_->skep({"status", "--json"}).text; }
  // What the bait is sent by one whole session, and what its client hears. The leg to the bait stands before anything
  // is sent: else the bait would not even be asked where that is known.
  struct Heard {
    std::string bait;
    Received client;
  };
  Heard session(const std::string& bytes, const std::string& answer) {
    const Fd from = client();
    auto at = accept_one(bait_);
    EXPECT_TRUE(at);
    Heard heard;
    if (!at) return heard;
    send_text(from, bytes);
    ::shutdown(from.get(), SHUT_WR);
    heard.bait = receive_all(*at).text;
    if (!answer.empty()) send_text(*at, answer);
    at->reset();
    heard.client = receive_all(from);
    return heard;
  }
  uint64_t bytes_kept(const SessionSummary& session) {
    auto reader = archive::Reader::open(rig_->file("archive"));
    EXPECT_TRUE(reader);
    uint64_t bytes = 0;
    const auto read = reader->for_each(session, {}, [&](const formats::Record& record) {
      if (record.type == formats::RecordType::data) bytes += record.payload.size();
    });
    EXPECT_TRUE(read);
    return bytes;
  }

  std::optional<Rig> rig_;
  Fd bait_;
  Fd elsewhere_;
};

TEST_F(FilterTest, WhatIsKnownIsResetAndTheRestGoesOn) {
  start("");
  const Heard harmless = session(kHarmless, "hello");
  EXPECT_EQ(harmless.bait, kHarmless);
  EXPECT_EQ(harmless.client.text, "hello");
  const Heard attack = session(kAttack, "");
  EXPECT_EQ(attack.bait, "") << "nothing of it";
  EXPECT_TRUE(attack.client.reset);
  const std::string sled = "OVERFLOW " + std::string(64, 'A');
  EXPECT_EQ(session(sled, "").bait, sled) << "a generic rule hides nothing";
  const auto all = sessions(3);
  EXPECT_EQ(all[0].session_class, SessionClass::harmless);
  EXPECT_EQ(all[0].rule_hits_total, 0u);
  EXPECT_EQ(all[1].session_class, SessionClass::known);
  EXPECT_EQ(all[1].end_reason, EndReason::filtered);
  EXPECT_EQ(all[1].forwarded_in, 0u);
  EXPECT_EQ(all[1].bytes_in, kAttack.size());
  ASSERT_EQ(all[1].rule_hits.size(), 1u);
  EXPECT_EQ(all[1].rule_hits[0].sid, 1000001u);
  EXPECT_EQ(all[1].rule_hits[0].action, HitAction::reset);
  EXPECT_EQ(all[2].session_class, SessionClass::harmless);
  ASSERT_EQ(all[2].rule_hits.size(), 1u);
  EXPECT_EQ(all[2].rule_hits[0].action, HitAction::tagged);
  const std::string listed = rig_->skep({"session", "list", "--rule", "1000001", "--json"}).text;
  EXPECT_NE(listed.find("\"rule_hits\":[{\"gid\":1,\"sid\":1000001,\"rev\":3,\"msg\":\"cmd.exe asked for\",\"grade\":"
                        "\"specific\",\"action\":\"reset\""),
            std::string::npos)
      << listed;
  const std::string stats = rig_->skep({"rules", "stats", "--json"}).text;
  EXPECT_NE(stats.find("\"sid\":1000001,\"msg\":\"cmd.exe asked for\",\"grade\":\"specific\",\"sessions\":1"),
            std::string::npos)
      << stats;
  const std::string text = rig_->skep({"session", "show", to_string(all[1].id)}).text;
  EXPECT_NE(text.find("rule 1:1000001 \"cmd.exe asked for\" (specific)"), std::string::npos) << text;
  EXPECT_EQ(rig_->skep({"session", "export", to_string(all[1].id), "-o", rig_->file("one.pcapng")}).code, 0);
  EXPECT_NE(read_file(rig_->file("one.pcapng"))->find("skep rule 1:1000001: cmd.exe asked for (specific), reset"),
            std::string::npos);
  const std::string now = status();
  EXPECT_NE(now.find("\"hits\":{\"tagged\":1,\"reset\":1}"), std::string::npos) << now;
  EXPECT_NE(now.find("\"classes\":{\"known\":1,\"harmless\":2}"), std::string::npos) << now;
  EXPECT_NE(now.find("\"rules\":3,\"specific\":2,\"refused\":1"), std::string::npos) << now;
}

TEST_F(FilterTest, TheReadThatFulfilsARuleIsNeverForwarded) {
  start("  hold: none\n");
  const Fd from = client();
  auto at = accept_one(bait_);
  ASSERT_TRUE(at);
  for (const char* piece : {"say E", "V", "I"}) {
    send_text(from, piece);
    EXPECT_EQ(receive_all(*at, std::string_view(piece).size()).text, piece);
  }
  send_text(from, "L and more");
  EXPECT_EQ(receive_all(*at).text, "") << "that read";
  EXPECT_TRUE(receive_all(from).reset);
  const auto all = sessions(1);
  EXPECT_EQ(all[0].forwarded_in, 7u);
  EXPECT_EQ(all[0].rule_hits.at(0).stream_offset, 8u);
}

TEST_F(FilterTest, AHeldHeadGoesOnWholeOrNotAtAll) {
  start("  hold: http-head\n  hold_ms: 400\n");
  for (const std::string& whole : {kHarmless, kAttack}) {
    const Fd from = client();
    auto at = accept_one(bait_);
    ASSERT_TRUE(at);
    for (const char byte : whole) send_text(from, std::string(1, byte));
    ::shutdown(from.get(), SHUT_WR);
    EXPECT_EQ(receive_all(*at).text, whole == kAttack ? "" : whole);
    at->reset();
    receive_all(from);
  }
  Fd slow = client();
  auto at = accept_one(bait_);
  ASSERT_TRUE(at);
  send_text(slow, "GET /half");
  EXPECT_EQ(receive_all(*at, 9).text, "GET /half") << "it waits no longer than it may";
  at->reset();
  slow.reset();
  EXPECT_EQ(sessions(3)[1].forwarded_in, 0u);
  EXPECT_NE(status().find("\"given_up\":1"), std::string::npos) << status();
}

TEST_F(FilterTest, ADropIsQuiet) {
  start("  action: drop\n");
  const Heard attack = session(kAttack, "");
  EXPECT_EQ(attack.bait, "");
  EXPECT_FALSE(attack.client.reset);
  EXPECT_EQ(attack.client.text, "");
  EXPECT_EQ(sessions(1)[0].rule_hits.at(0).action, HitAction::dropped);
}

TEST_F(FilterTest, TheTarpitKeepsTheAttackerAndLetsTheBaitGo) {
  start("  action: tarpit\n  tarpit_ms: 1500\n  tarpits_max: 1\n");
  const Fd first = client();
  auto at = accept_one(bait_);
  ASSERT_TRUE(at);
  send_text(first, kAttack + std::string(100'000, 'x'));
  EXPECT_EQ(receive_all(*at).text, "") << "the bait is let go at once";
  EXPECT_TRUE(eventually([&] { return status().find("\"tarpitted\":1") != std::string::npos; }));
  const Fd second = client();
  auto too = accept_one(bait_);
  ASSERT_TRUE(too);
  send_text(second, kAttack);
  EXPECT_TRUE(receive_all(second).reset) << "one place only";
  EXPECT_TRUE(receive_all(first).reset) << "and for no longer than it is to be";
  const auto all = sessions(2);
  EXPECT_EQ(all[0].rule_hits.at(0).action, HitAction::tarpitted);
  EXPECT_EQ(all[0].end_reason, EndReason::filtered);
  EXPECT_GE(all[0].end_ns - all[0].start_ns, 1'400'000'000);
  EXPECT_EQ(all[0].forwarded_in, 0u);
  EXPECT_EQ(all[1].rule_hits.at(0).action, HitAction::reset);
}

TEST_F(FilterTest, ADivertedSessionIsTheOtherBaitsFromItsFirstByte) {
  start(fmt::format("  action: divert\n  divert_to: {}\n", kElsewhere));
  for (const bool stands : {true, false}) {  // the leg to the bait, when the attack comes
    const Fd from = client();
    if (!stands) send_text(from, kAttack);
    auto at = stands ? accept_one(bait_) : Result<Fd>(Fd());
    ASSERT_TRUE(at);
    if (stands) send_text(from, kAttack.substr(0, 5));
    if (stands) send_text(from, kAttack.substr(5));
    auto other = accept_one(elsewhere_);
    ASSERT_TRUE(other);
    EXPECT_EQ(receive_all(*other, kAttack.size()).text, kAttack);
    send_text(*other, "welcome");
    other->reset();
    EXPECT_EQ(receive_all(from).text, "welcome");
    if (stands) {
      EXPECT_EQ(receive_all(*at).text, "");
    }
  }
  for (const SessionSummary& session : sessions(2)) {
    EXPECT_EQ(session.rule_hits.at(0).action, HitAction::diverted);
    EXPECT_EQ(session.session_class, SessionClass::known);
    EXPECT_EQ(to_string(session.bait), kElsewhere);
    EXPECT_EQ(session.forwarded_in, kAttack.size());
  }
}

TEST_F(FilterTest, BeyondTheSamplesOfADayTheHeaderIsKept) {
  start("  samples_per_rule_per_day: 2\n");
  for (int i = 0; i < 5; ++i) {
    const Fd from = client();
    send_text(from, kAttack);
    EXPECT_TRUE(receive_all(from).reset);
  }
  const auto all = sessions(5);
  size_t whole = 0;
  for (const SessionSummary& session : all) {
    EXPECT_EQ(session.bytes_in, kAttack.size());
    EXPECT_EQ(session.rule_hits.at(0).sid, 1000001u);
    whole += bytes_kept(session) == kAttack.size() ? 1 : 0;
    EXPECT_TRUE(bytes_kept(session) == kAttack.size() || bytes_kept(session) == 0);
  }
  EXPECT_EQ(whole, 2u);
  EXPECT_NE(status().find("\"samples\":2,\"headers\":3"), std::string::npos) << status();
}

TEST_F(FilterTest, RulesReadAgainHoldForNewSessionsAndLiveOnesKeepTheirs) {
  start("");
  const Fd live = client();
  auto at = accept_one(bait_);
  ASSERT_TRUE(at);
  ASSERT_TRUE(write_file(
      rig_->file("test.rules"),
      "alert tcp any any -> any any (msg:\"a new one\"; content:\"NEWLY\"; pcre:\"/N[E-F]W.Y/\"; reference:cve,2005-1; "
      "sid:1000009;)\n"));
  EXPECT_EQ(rig_->skep({"reload"}).code, 0) << rig_->log("proxy");
  EXPECT_EQ(session("EVIL", "").bait, "EVIL") << "the rule is gone";
  const Fd fresh = client();
  send_text(fresh, "NEWLY");
  EXPECT_TRUE(receive_all(fresh).reset);
  send_text(live, "NEWLY ");
  EXPECT_EQ(receive_all(*at, 6).text, "NEWLY ");
  send_text(live, "EVIL");
  EXPECT_TRUE(receive_all(live).reset) << "what it began with";
  ASSERT_TRUE(write_file(rig_->file("test.rules"), "alert nonsense\n"));
  EXPECT_EQ(rig_->skep({"reload"}).code, 0) << "bad rules are refused, not the options";
  ASSERT_TRUE(write_file(rig_->file("proxy.yaml"), fmt::format("archive: {}\nfilter: {{rules: [/nowhere/at-all]}}\n"
                                                               "services: [{{name: web, listen: [\"{}\"], address: "
                                                               "\"{}\"}}]\n",
                                                               rig_->file("archive"), kEntrance, kBait)));
  EXPECT_EQ(rig_->skep({"reload"}).code, 1) << "a file that is not there is";
}

TEST_F(FilterTest, SourcesAreKnownByTheirNetworks) {
  ASSERT_TRUE(write_file(rig_->file("scanners"), "# known\n10.99.1.0/24\nnot a network\n"));
  ASSERT_TRUE(write_file(rig_->file("ours"), "203.0.113.0/24\n"));
  const auto filter = [&](const char* action, const char* allow) {
    return fmt::format("  sources: [{{file: {}, name: scanners, action: {}}}]\n  allow: [{}, {}]\n",
                       rig_->file("scanners"), action, rig_->file("ours"), allow);
  };
  start(filter("reset", "192.0.2.1"));
  EXPECT_TRUE(receive_all(client()).reset);
  configure(filter("tag", "192.0.2.1"));
  ASSERT_EQ(rig_->skep({"reload"}).code, 0) << rig_->log("proxy");
  EXPECT_EQ(session(kHarmless, "").bait, kHarmless);
  configure(filter("drop", "10.99.1.0/28"));
  ASSERT_EQ(rig_->skep({"reload"}).code, 0);
  EXPECT_EQ(session(kAttack, "").bait, kAttack) << "who is allowed is not filtered at all";
  const auto all = sessions(3);
  EXPECT_EQ(all[0].session_class, SessionClass::known);
  EXPECT_EQ(all[0].rule_hits.at(0).message, "source list scanners");
  EXPECT_EQ(all[1].session_class, SessionClass::harmless);
  EXPECT_EQ(all[1].rule_hits.at(0).action, HitAction::tagged);
  EXPECT_EQ(all[2].rule_hits_total, 0u);
  EXPECT_NE(rig_->log("proxy").find("scanners:3: 'not a network' is no address or network"), std::string::npos);
}

TEST_F(FilterTest, AServiceMayHaveNone) {
  start("", ", filter: off");
  EXPECT_EQ(session(kAttack, "").bait, kAttack);
  EXPECT_EQ(sessions(1)[0].rule_hits_total, 0u);
}

TEST_F(FilterTest, WhatIsScannedNoFurtherGoesOnAndSaysSo) {
  start("  scan_bytes_max: 100\n");
  const std::string bytes = std::string(200, 'x') + kAttack;
  EXPECT_EQ(session(bytes, "").bait, bytes);
  const auto all = sessions(1);
  EXPECT_EQ(all[0].session_class, SessionClass::harmless);
  const std::string text = rig_->skep({"session", "export", to_string(all[0].id), "--format", "text"}).text;
  EXPECT_NE(text.find("scanned to byte 100: bytes"), std::string::npos) << text;
  EXPECT_NE(status().find("\"stopped\":{\"bytes\":1}"), std::string::npos) << status();
}

TEST_F(FilterTest, TheOptionsAreCheckedWithTheirRules) {
  configure("");
  const std::string command =
      rig_->program("skep-proxy") + " --check --config " + rig_->file("proxy.yaml") + " 2> " + rig_->file("checked");
  EXPECT_EQ(std::system(command.c_str()), 0);
  EXPECT_NE(read_file(rig_->file("checked"))->find("warning: filter: " + rig_->file("test.rules") + ":4:"),
            std::string::npos)
      << *read_file(rig_->file("checked"));
}

// Long answers, many at once, cut anyhow: the filter looks on, and every byte is as it was.
TEST_F(FilterTest, ManySessionsBesideAttacksAreByteEqual) {
  start("  hold: auto\n");
  constexpr int kSessions = 200;
  std::thread server([&] {
    while (auto at = accept_one(bait_)) send_text(*at, receive_all(*at).text);
  });
  int equal = 0;
  int attacks = 0;
  for (int i = 0; i < kSessions; ++i) {
    const Fd from = client();
    const bool attack = i % 4 == 3;
    const std::string bytes = attack ? "x\r\n" + kAttack + "EVIL"
                                     : "GET /" + std::string(1 + i * 37 % 9000, 'a') + " HTTP/1.0\r\nHost: x\r\n\r\n";
    for (size_t at = 0; at < bytes.size();) {
      const size_t piece = std::min<size_t>(1 + (at * 7 + static_cast<size_t>(i)) % 1000, bytes.size() - at);
      if (::send(from.get(), bytes.data() + at, piece, MSG_NOSIGNAL) < 0) break;
      at += piece;
    }
    ::shutdown(from.get(), SHUT_WR);
    const Received heard = receive_all(from);
    equal += !attack && heard.text == bytes ? 1 : 0;
    attacks += attack && heard.text.find("EVIL") == std::string::npos ? 1 : 0;
  }
  ::shutdown(bait_.get(), SHUT_RDWR);
  server.join();
  EXPECT_EQ(equal, kSessions * 3 / 4);
  EXPECT_EQ(attacks, kSessions / 4);
  const auto all = sessions(kSessions);
  EXPECT_EQ(std::count_if(all.begin(), all.end(),
                          [](const SessionSummary& each) { return each.session_class == SessionClass::known; }),
            kSessions / 4);
}

}  // namespace
}  // namespace skep::harness
