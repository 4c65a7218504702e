// Sessions over UDP: every datagram is where it belongs, with its boundaries; who asked is answered from the address
// that was asked; and each end that a session can have. On both engines.
#include "io/datagrams.h"

#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/text.h"
#include "formats/event_codec.h"
#include "harness/datagram_peers.h"
#include "harness/hosts.h"
#include "harness/rig.h"
#include "io/sockets.h"
#include "model/socket_address.h"

namespace skep::harness {
namespace {

using archive::SessionSummary;

constexpr char kListen[] = "10.99.1.2:90";
constexpr char kListenV6[] = "[fd00:99::2]:90";
constexpr char kBait[] = "10.99.0.3:9000";
constexpr char kBaitV6[] = "[fd00:99::3]:9000";

std::string noise(size_t bytes, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

// As `tshark -z follow,udp,raw,N` tells them: a line a datagram in hexadecimal, those of the server indented.
std::pair<std::string, std::string> followed(const std::string& text) {
  std::pair<std::string, std::string> stream;
  for (std::string_view line : split(text, '\n')) {
    const bool out = line.starts_with("\t");
    if (out) line.remove_prefix(1);
    if (line.empty() || line.find_first_not_of("0123456789abcdef") != std::string_view::npos) continue;
    for (size_t i = 0; i + 1 < line.size(); i += 2)
      (out ? stream.second : stream.first) += static_cast<char>(std::stoi(std::string(line.substr(i, 2)), nullptr, 16));
  }
  return stream;
}

class DatagramsTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
  }
  void start(const std::string& services, const std::string& more = "", bool with_bait = false) {
    RigOptions options;
    options.proxy_more = fmt::format("engine: {}\n{}\n", GetParam(), more);
    options.services_proxy = services;
    options.with_bait = with_bait;
    rig_.emplace(options);
    ASSERT_TRUE(rig_->set_up());
    for (const auto& [netns, address, link] : {std::tuple(rig_->network().proxy(), "fd00:99::2/64", "lo"),
                                               {rig_->network().proxy(), "fd00:99::3/64", "lo"}}) {
      const auto added =
          testbed::run_to_end({"/usr/bin/env", "ip", "addr", "add", address, "dev", link, "nodad"}, {netns, {}, {}});
      ASSERT_TRUE(added) << added.error().message;
    }
    const auto started = rig_->start_proxy();
    ASSERT_TRUE(started) << started.error().message;
  }
  void start_echo(const std::string& more = "") {
    start(fmt::format("  - {{name: echo, protocol: udp, listen: [\"{}\"], address: {}}}\n"
                      "  - {{name: six, protocol: udp, listen: [\"{}\"], address: \"{}\"}}\n",
                      kListen, kBait, kListenV6, kBaitV6),
          more);
    if (rig_) echo_.emplace(peer(rig_->network().honeypot(), "", kBait));
  }
  Fd client() { return peer(rig_->network().attacker(), kListen); }
  std::vector<SessionSummary> sessions(size_t count) {
    const auto all = rig_->sessions(count);
    EXPECT_TRUE(all) << all.error().message;
    return all ? *all : std::vector<SessionSummary>();
  }
  unsigned status(const std::string& key) { return number_in(rig_->skep({"status", "--json"}).text, key); }

  // Of one direction, each as it stands in the log.
  Texts recorded(const SessionSummary& session, Direction direction) {
    Texts all;
    auto reader = archive::Reader::open(rig_->file("archive"));
    EXPECT_TRUE(reader);
    EXPECT_TRUE(reader->for_each(session, {}, [&](const formats::Record& record) {
      if (record.type == formats::RecordType::data && record.direction == direction)
        all.emplace_back(as_text(record.payload));
    }));
    return all;
  }
  std::string notes(const SessionSummary& session) {
    std::string all;
    auto reader = archive::Reader::open(rig_->file("archive"));
    EXPECT_TRUE(reader->for_each(session, {}, [&](const formats::Record& record) {
      if (record.type == formats::RecordType::note)
        all += formats::decode<formats::NoteEvent>(record.payload)->words + "\n";
    }));
    return all;
  }
  std::string said_by(const std::vector<std::string>& command) {
    const auto done = testbed::run_to_end(command, {{}, rig_->file("err"), rig_->file("out")}, 120'000);
    EXPECT_TRUE(done) << command[0] << ": " << done.error().message;
    return read_file(rig_->file("out"), 256 << 20).value_or("");
  }
  // The session as its exports give it: raw byte for byte, and the pcapng as others read it, datagram by datagram.
  void expect_exports(const SessionSummary& session, const Texts& in, const Texts& out) {
    const std::string id = to_string(session.id);
    SCOPED_TRACE(id);
    const auto all_of = [](const Texts& texts) {
      std::string all;
      for (const std::string& text : texts) all += text;
      return all;
    };
    EXPECT_TRUE(recorded(session, Direction::to_bait) == in);
    EXPECT_TRUE(recorded(session, Direction::to_client) == out);
    ASSERT_EQ(rig_->skep({"session", "export", id, "--format", "raw", "-o", rig_->file("raw")}).code, 0);
    EXPECT_TRUE(read_file(rig_->file("raw/" + id + ".in"), 256 << 20).value_or("none") == all_of(in));
    EXPECT_TRUE(read_file(rig_->file("raw/" + id + ".out"), 256 << 20).value_or("none") == all_of(out));
    const std::string file = rig_->file(id + ".pcapng");
    ASSERT_EQ(rig_->skep({"session", "export", id, "-o", file}).code, 0);
    EXPECT_TRUE(followed(said_by({"tshark", "-q", "-r", file, "-z", "follow,udp,raw,0"})) ==
                std::pair(all_of(in), all_of(out)));
    EXPECT_EQ(said_by({"tshark", "-r", file, "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y",
                       "_ws.malformed or udp.checksum.status != \"Good\" or ip.checksum.status == \"Bad\" or "
                       "ip.flags.mf == 1 or ip.frag_offset > 0"}),
              "");
    // Sizes, in order: the boundaries.
    std::multiset<std::string> sizes;
    for (const Texts* texts : {&in, &out}) {
      for (const std::string& text : *texts) sizes.insert(std::to_string(text.size() + 8));
    }
    std::multiset<std::string> told;
    const std::string lengths = said_by({"tshark", "-r", file, "-T", "fields", "-e", "udp.length"});
    for (const std::string_view line : split(lengths, '\n')) {
      if (!line.empty()) told.emplace(line);
    }
    EXPECT_EQ(told, sizes);
    EXPECT_NE(said_by({"capinfos", file}).find("skep session " + id), std::string::npos);
    said_by({"tcpdump", "-r", file, "-w", rig_->file("again.pcap")});
  }

  std::optional<Rig> rig_;
  std::optional<Echo> echo_;
};

TEST_P(DatagramsTest, EachIsPassedOnWholeAndAloneHoweverLongItIs) {
  start_echo("udp_timeout_ms: 1500");
  if (!rig_) return;
  Texts said;
  for (const size_t size : {0, 1, 512, 1472, 1473, 9000, 65'507})
    said.push_back(noise(size, static_cast<unsigned>(size)));
  said.emplace_back("");
  said.emplace_back("the last");
  Echo six(peer(rig_->network().proxy(), "", kBaitV6));
  for (const Fd& socket : {client(), peer(rig_->network().proxy(), kListenV6)}) {
    for (const std::string& each : said) {
      say(socket, each);
      EXPECT_TRUE(hear(socket) == each) << each.size();
    }
  }
  const auto all = sessions(2);
  ASSERT_EQ(all.size(), 2u);
  for (const SessionSummary& each : all) {
    EXPECT_EQ(each.protocol, Protocol::udp);
    EXPECT_EQ(each.end_reason, EndReason::timeout);
    EXPECT_EQ(notes(each), "") << "its usual end";
    EXPECT_FALSE(each.unsupervised) << "there is nobody who could";
    EXPECT_EQ(each.forwarded_in, each.bytes_in);
    EXPECT_EQ(each.forwarded_out, each.bytes_out);
    ASSERT_NO_FATAL_FAILURE(expect_exports(each, said, said));
  }
  const std::string json = rig_->skep({"session", "list", "--json"}).text;
  EXPECT_NE(json.find("\"protocol\":\"udp\""), std::string::npos) << json;
  const std::string text = rig_->skep({"session", "export", to_string(all[0].id), "--format", "text"}).text;
  EXPECT_NE(text.find(">>> 0 bytes at 0"), std::string::npos) << text.substr(0, 500);
  EXPECT_NE(text.find("by UDP"), std::string::npos);
}

TEST_P(DatagramsTest, TwoAtOnceAreTwoSessionsWithAPortEach) {
  start_echo("udp_timeout_ms: 1000");
  if (!rig_) return;
  const Fd first = client();
  const Fd second = client();
  for (int i = 0; i < 20; ++i) {
    say(first, fmt::format("first {}", i));
    say(second, fmt::format("second {}", i));
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(hear(first), fmt::format("first {}", i));
    EXPECT_EQ(hear(second), fmt::format("second {}", i));
  }
  const auto all = sessions(2);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_NE(all[0].leg.port, all[1].leg.port);
  echo_->stop();
  for (const SessionSummary& each : all) {
    ASSERT_TRUE(echo_->asked().contains(each.leg.port)) << "the port names the session on the bait";
    EXPECT_EQ(echo_->asked().at(each.leg.port), recorded(each, Direction::to_bait));
  }
}

TEST_P(DatagramsTest, OnePortOfAClientToTwoServicesIsTwoSessions) {
  start(fmt::format("  - {{name: one, protocol: udp, listen: [\"10.99.1.2:90\"], address: {0}}}\n"
                    "  - {{name: two, protocol: udp, listen: [\"10.99.1.2:91\"], address: {0}, linked_to: one}}\n",
                    kBait),
        "udp_timeout_ms: 1000");
  if (!rig_) return;
  echo_.emplace(peer(rig_->network().honeypot(), "", kBait));
  const Fd socket = peer(rig_->network().attacker(), "", "10.99.1.1:7777");
  for (const char* to : {"10.99.1.2:90", "10.99.1.2:91"}) {
    const SocketAddress target = to_socket_address(*parse_endpoint(to));
    ASSERT_EQ(::sendto(socket.get(), to, 12, 0, target.get(), target.bytes), 12);
    EXPECT_EQ(hear(socket), to);
  }
  const auto all = sessions(2);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].service, "one");
  EXPECT_EQ(all[1].service, "two");
  EXPECT_EQ(all[1].parent, all[0].id) << "linked_to";
}

TEST_P(DatagramsTest, OnAnyAddressTheOneThatWasAskedAnswers) {
  start(fmt::format("  - {{name: any, protocol: udp, listen: [\"0.0.0.0:90\", \"[::]:90\"], address: {}}}\n", kBait),
        "udp_timeout_ms: 1000");
  if (!rig_) return;
  echo_.emplace(peer(rig_->network().honeypot(), "", kBait));
  const auto run = [&](const std::string& netns, std::vector<std::string> command) {
    command.insert(command.begin(), {"/usr/bin/env", "ip"});
    ASSERT_TRUE(testbed::run_to_end(command, {netns, {}, {}}));
  };
  run(rig_->network().proxy(), {"route", "add", "local", "10.76.0.0/16", "dev", "lo"});
  run(rig_->network().attacker(), {"route", "add", "10.76.0.0/16", "via", "10.99.1.2"});
  std::set<std::string> asked;
  for (const char* to : {"10.99.1.2:90", "10.76.3.4:90", "10.76.200.1:90"}) {
    const Fd socket = peer(rig_->network().attacker(), to);  // connected: from elsewhere nothing would come
    say(socket, "who?");
    EXPECT_EQ(hear(socket), "who?") << to;
    asked.insert(to);
  }
  const Fd six = peer(rig_->network().proxy(), "[fd00:99::3]:90");
  say(six, "six");
  EXPECT_EQ(hear(six), "six");
  asked.insert("[fd00:99::3]:90");
  std::set<std::string> entrances;
  for (const SessionSummary& each : sessions(4)) entrances.insert(to_string(each.entrance));
  EXPECT_EQ(entrances, asked);
}

TEST_P(DatagramsTest, WhereNobodyHasTheBaitsPortItIsRefused) {
  start_echo("udp_timeout_ms: 1000");
  if (!rig_) return;
  echo_->stop();
  const Fd socket = client();
  say(socket, "anybody?");
  EXPECT_EQ(sessions(1).at(0).end_reason, EndReason::bait_refused);
  say(socket, "now?");
  const auto all = sessions(2);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].end_reason, EndReason::bait_refused);
  EXPECT_NE(notes(all[0]).find("the bait could not be reached: Connection refused"), std::string::npos);
  EXPECT_EQ(recorded(all[1], Direction::to_bait), (Texts{"now?"}));
  echo_.emplace(peer(rig_->network().honeypot(), "", kBait));
  say(socket, "and now?");
  EXPECT_EQ(hear(socket), "and now?") << "a new session, once somebody is there";
}

TEST_P(DatagramsTest, WhereTheBaitIsSilentItEndsLikeAnyOtherAndTheSameEndsMayBeginAnew) {
  start_echo("udp_timeout_ms: 500");
  if (!rig_) return;
  echo_->stop();
  const Fd silent = peer(rig_->network().honeypot(), "", kBait);
  const Fd socket = client();
  say(socket, "one");
  EXPECT_EQ(sessions(1).at(0).end_reason, EndReason::timeout);
  say(socket, "two");
  const auto all = sessions(2);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].client, all[1].client);
  EXPECT_EQ(recorded(all[0], Direction::to_bait), (Texts{"one"}));
  EXPECT_EQ(recorded(all[1], Direction::to_bait), (Texts{"two"}));
  EXPECT_EQ(all[1].bytes_out, 0u);
}

TEST_P(DatagramsTest, TheGeneralLimitsHoldAndSayThatTheyWereMet) {
  start_echo("udp_timeout_ms: 60000\nidle_timeout_ms: 700\nsession_bytes_max: 1000");
  if (!rig_) return;
  const Fd idle = client();
  say(idle, "one");
  EXPECT_EQ(hear(idle), "one");
  const auto first = sessions(1);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].end_reason, EndReason::timeout);
  EXPECT_EQ(notes(first[0]), "idle_timeout_ms\n");
  const Fd much = client();
  say(much, std::string(600, 'x'));  // and its echo
  const auto all = sessions(2);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].end_reason, EndReason::limit);
  EXPECT_EQ(all[1].bytes_out, 600u) << "it is recorded";
  EXPECT_EQ(all[1].forwarded_out, 0u) << "and not passed on";
}

TEST_P(DatagramsTest, AfterACutWhatStillComesIsNoNewSessionForAWhile) {
  start_echo("udp_timeout_ms: 1500");
  if (!rig_) return;
  const Fd socket = client();
  const Fd other = client();
  say(socket, "one");
  EXPECT_EQ(hear(socket), "one");
  std::string id;
  ASSERT_TRUE(eventually([&] {
    auto reader = archive::Reader::open(rig_->file("archive"));
    const auto all = reader ? reader->list({}) : Result<std::vector<SessionSummary>>(fail("none yet"));
    if (!all || all->empty()) return false;
    id = to_string(all->at(0).id);
    return true;
  }));
  ASSERT_EQ(rig_->skep({"session", "cut", id}).code, 0);
  for (int i = 0; i < 5; ++i) say(socket, "still here");
  say(other, "two");
  EXPECT_EQ(hear(other), "two") << "nobody else is barred";
  EXPECT_EQ(hear(socket, MSG_DONTWAIT), "nothing came");
  EXPECT_EQ(status("datagrams_after_cut"), 5u);
  const auto cut = sessions(2);
  ASSERT_EQ(cut.size(), 2u);
  EXPECT_EQ(cut[0].end_reason, EndReason::cut);
  EXPECT_EQ(recorded(cut[0], Direction::to_bait), (Texts{"one"}));
  ASSERT_TRUE(eventually([&] {
    say(socket, "again");
    return hear(socket, MSG_DONTWAIT) == "again";
  }));
  EXPECT_EQ(sessions(3).size(), 3u);
}

// 500 sources, as somebody forges them: 100 may have a session, and the others leave a bounded trace.
TEST_P(DatagramsTest, AFloodOfSourcesMeetsItsOwnLimitAndLeavesConnectionsTheirs) {
  start(fmt::format("  - {{name: echo, protocol: udp, listen: [\"{}\"], address: {}}}\n"
                    "  - {{name: tcp, listen: [\"{}\"], address: {}}}\n",
                    kListen, kBait, kListen, kBait),
        "sessions_max: 110\nudp_sessions_max: 100\nudp_timeout_ms: 5000");
  if (!rig_) return;
  echo_.emplace(peer(rig_->network().honeypot(), "", kBait));
  std::vector<Fd> all;
  for (int i = 0; i < 500; ++i) all.push_back(client());
  for (int round = 0; round < 4; ++round) {
    for (const Fd& each : all) say(each, "flood");
  }
  ASSERT_TRUE(eventually([&] { return status("udp_sessions_max") == 4 * 400u; }))
      << rig_->skep({"status", "--json"}).text;
  size_t answered = 0;
  for (const Fd& each : all) answered += hear(each, MSG_DONTWAIT) == "flood" ? 1 : 0;
  EXPECT_EQ(answered, 100u);
  EXPECT_GT(status("datagrams_unrecorded"), 0u) << "each had a record";
  const auto listener = listen_on(rig_->network().honeypot(), kBait);
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_TRUE(connect_from(rig_->network().attacker(), kListen));
  EXPECT_TRUE(accept_one(*listener)) << "a connection has its place";
  size_t refused = 0;
  const unsigned recorded = 101 + 4 * 400 - status("datagrams_unrecorded");
  for (const SessionSummary& each : sessions(recorded)) refused += each.end_reason == EndReason::limit ? 1 : 0;
  EXPECT_EQ(refused, recorded - 101);
}

TEST_P(DatagramsTest, TheProxyStopsInOrder) {
  start_echo("udp_timeout_ms: 60000\nshutdown_grace_ms: 500");
  if (!rig_) return;
  const Fd socket = client();
  say(socket, "one");
  EXPECT_EQ(hear(socket), "one");
  rig_->proxy()->signal(SIGTERM);
  ASSERT_TRUE(rig_->await_log("proxy", "told to stop"));
  say(socket, "two");
  EXPECT_EQ(hear(socket), "two") << "who is there has the grace";
  say(client(), "too late");
  const auto ended = rig_->proxy()->await_end(10'000);
  ASSERT_TRUE(ended);
  EXPECT_EQ(*ended, 0);
  const auto all = sessions(1);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].end_reason, EndReason::shutdown);
  EXPECT_EQ(recorded(all[0], Direction::to_bait), (Texts{"one", "two"}));
}

TEST_P(DatagramsTest, AfterAReloadItsSessionsGoOnAndItMakesNoNewOnes) {
  constexpr char kHigh[] = "10.99.1.2:9090";  // below 1024 it could not come back
  start(fmt::format("  - {{name: echo, protocol: udp, listen: [\"{}\"], address: {}}}\n", kHigh, kBait),
        "udp_timeout_ms: 1500");
  if (!rig_) return;
  echo_.emplace(peer(rig_->network().honeypot(), "", kBait));
  const Fd socket = peer(rig_->network().attacker(), kHigh);
  say(socket, "one");
  EXPECT_EQ(hear(socket), "one");
  const std::string with = read_file(rig_->file("proxy.yaml")).value_or("");
  std::string without = with;
  without.replace(without.find(kHigh), std::string(kHigh).size(), "10.99.1.2:9093");
  ASSERT_TRUE(write_file(rig_->file("proxy.yaml"), without));
  ASSERT_EQ(rig_->skep({"reload"}).code, 0) << rig_->log("proxy");
  say(socket, "two");
  EXPECT_EQ(hear(socket), "two");
  const Fd late = peer(rig_->network().attacker(), kHigh);
  say(late, "nobody");
  ASSERT_EQ(sessions(1).size(), 1u);
  EXPECT_EQ(hear(late, MSG_DONTWAIT), "nothing came");
  ASSERT_TRUE(write_file(rig_->file("proxy.yaml"), with));
  ASSERT_EQ(rig_->skep({"reload"}).code, 0) << rig_->log("proxy");
  const Fd again = peer(rig_->network().attacker(), kHigh);
  say(again, "three");
  EXPECT_EQ(hear(again), "three");
}

// What the bait had been told lies in the archive, whenever the proxy is killed.
TEST_P(DatagramsTest, AKillLosesNothingThatWasPassedOn) {
  start_echo("udp_timeout_ms: 60000");
  if (!rig_) return;
  std::vector<Fd> all;
  for (int i = 0; i < 20; ++i) all.push_back(client());
  std::atomic<bool> stop{false};
  std::thread load([&] {
    for (int i = 0; !stop; ++i) {
      for (size_t k = 0; k < all.size(); ++k) {
        const std::string text = fmt::format("{} of {}", i, k) + std::string(static_cast<size_t>(i) * 37 % 2000, 'x');
        ::send(all[k].get(), text.data(), text.size(), MSG_NOSIGNAL);
      }
      for (const Fd& each : all) hear(each, MSG_DONTWAIT);
    }
  });
  EXPECT_TRUE(eventually([&] { return echo_->heard() > 5'000; }));
  EXPECT_TRUE(rig_->kill_proxy());
  stop = true;
  load.join();
  echo_->stop();
  ASSERT_TRUE(rig_->start_proxy());
  size_t passed_on = 0;
  std::map<uint16_t, Texts> in_log;
  for (const SessionSummary& each : sessions(20)) {
    EXPECT_EQ(each.end_reason, EndReason::crash_recovered);
    in_log[each.leg.port] = recorded(each, Direction::to_bait);
  }
  for (const auto& [port, asked] : echo_->asked()) {
    passed_on += asked.size();
    const Texts& kept = in_log[port];
    ASSERT_GE(kept.size(), asked.size());
    const std::multiset<std::string> there(kept.begin(), kept.end());
    for (const std::string& text : asked) ASSERT_TRUE(there.contains(text)) << text;
  }
  EXPECT_GT(passed_on, 5'000u);
}

// A real service, asked by a real client.
TEST_P(DatagramsTest, ANameServerAnswers) {
  start(fmt::format("  - {{name: dns, protocol: udp, listen: [\"10.99.1.2:53\"], address: 10.99.0.3:53}}\n"
                    "  - {{name: dns-tcp, listen: [\"10.99.1.2:53\"], address: 10.99.0.3:53}}\n"),
        "udp_timeout_ms: 1000");
  if (!rig_) return;
  auto server = testbed::Process::start(
      {"/usr/sbin/dnsmasq", "-k", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--listen-address=10.99.0.3",
       "--bind-interfaces", "--user=root", "--pid-file=", "--host-record=bee.hive,192.0.2.77",
       "--txt-record=long.hive," + std::string(250, 't'), "--log-facility=-"},
      {rig_->network().honeypot(), rig_->file("dnsmasq.log"), {}});
  ASSERT_TRUE(server);
  const std::string& host = rig_->network().honeypot();
  ASSERT_TRUE(eventually([&] { return listens(host, "udp", 53) && listens(host, "tcp", 53); })) << rig_->log("dnsmasq");
  const auto dig = [&](const std::vector<std::string>& words) {
    std::vector<std::string> command = {"/usr/bin/dig", "@10.99.1.2", "+short", "+tries=1", "+time=10"};
    command.insert(command.end(), words.begin(), words.end());
    const auto said = rig_->attack(command);
    EXPECT_TRUE(said) << said.error().message;
    return said.value_or("");
  };
  EXPECT_EQ(dig({"bee.hive"}), "192.0.2.77\n");
  EXPECT_EQ(dig({"long.hive", "TXT"}), fmt::format("\"{}\"\n", std::string(250, 't')));
  EXPECT_EQ(dig({"+tcp", "bee.hive"}), "192.0.2.77\n");
  const auto all = sessions(3);
  size_t udp = 0;
  for (const SessionSummary& each : all) {
    if (each.protocol != Protocol::udp) continue;
    ++udp;
    EXPECT_GT(each.bytes_out, 0u);
    const std::string file = rig_->file("dns.pcapng");
    ASSERT_EQ(rig_->skep({"session", "export", to_string(each.id), "-o", file}).code, 0);
    const std::string names = said_by({"tshark", "-r", file, "-T", "fields", "-e", "dns.qry.name"});
    EXPECT_NE(names.find(".hive"), std::string::npos) << names;
  }
  EXPECT_EQ(udp, 2u);
}

// With a monitor it says of itself that nobody supervises it.
TEST_P(DatagramsTest, WithAMonitorASessionSaysThatItIsNotSupervised) {
  start(fmt::format("  - {{name: echo, protocol: udp, listen: [\"{}\"], bait: bait1, address: {}}}\n", kListen, kBait),
        "udp_timeout_ms: 500", true);
  if (!rig_) return;
  echo_.emplace(peer(rig_->network().honeypot(), "", kBait));
  const Fd socket = client();
  say(socket, "one");
  EXPECT_EQ(hear(socket), "one");
  const auto all = sessions(1);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_TRUE(all[0].unsupervised);
  EXPECT_EQ(notes(all[0]), "the monitor does not join datagrams with the processes they reach\n");
  EXPECT_NE(rig_->skep({"session", "show", to_string(all[0].id)}).text.find("datagrams are not joined"),
            std::string::npos);
}

// What is known goes no further, and its session is over; whoever asks for something else from the same port begins
// another.
TEST_P(DatagramsTest, WhatARuleKnowsIsNotPassedOn) {
  const Folder folder = *Folder::make();
  const std::string rules = folder.path() + "/worm.rules";
  ASSERT_TRUE(write_file(rules,
                         "alert udp any any -> any any (msg:\"a worm\"; content:\"|04|\"; depth:1; content:\"sock\"; "
                         "reference:cve,2002-0649; sid:1;)\n"
                         "alert udp any any -> any any (msg:\"a way\"; content:\"/bin/\"; sid:2;)\n"
                         "alert tcp any any -> any any (msg:\"another transport\"; content:\"sock\"; sid:3;)\n"));
  start_echo(fmt::format("udp_timeout_ms: 500\nfilter: {{rules: [{}]}}", rules));
  if (!rig_) return;
  const Fd socket = client();
  say(socket, "\x04 and sock");
  say(socket, "run /bin/true");
  EXPECT_EQ(hear(socket), "run /bin/true");
  const auto all = sessions(2);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].session_class, SessionClass::known);
  EXPECT_EQ(all[0].end_reason, EndReason::filtered);
  EXPECT_EQ(all[0].forwarded_in, 0u);
  ASSERT_EQ(all[0].rule_hits.size(), 1u);
  EXPECT_EQ(all[0].rule_hits[0].sid, 1u);
  EXPECT_EQ(recorded(all[0], Direction::to_bait), Texts{"\x04 and sock"});
  EXPECT_EQ(all[1].session_class, SessionClass::harmless);
  ASSERT_EQ(all[1].rule_hits.size(), 1u);
  EXPECT_EQ(all[1].rule_hits[0].action, HitAction::tagged);
  echo_->stop();
  EXPECT_EQ(echo_->heard(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Engines, DatagramsTest, testing::Values("io_uring", "epoll"),
                         [](const auto& row) { return row.param; });

}  // namespace
}  // namespace skep::harness
