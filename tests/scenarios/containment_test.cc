// Nothing that the service sends leaves its host but answers, whatever signatures are in force and whatever call is
// used: what arrives at the host beside it is captured there.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <thread>

#include "base/file.h"
#include "base/passing.h"
#include "harness/capture.h"
#include "harness/deed_rig.h"
#include "harness/hosts.h"

namespace skep::harness {
namespace {

constexpr uint16_t kServicePort = 9000;
constexpr uint16_t kControlPort = 7443;
constexpr uint16_t kAttackedPort = 90;  // the attacker, on the proxy's other side
constexpr char kNoSignatureForIt[] = "  - {signature: unrelated, condition: evt.type = kexec_load, action: deny}\n";

class ContainmentTest : public DeedTest {
 protected:
  // The link between proxy and honeypot host gets IPv6 addresses; the host at its other end is watched.
  void start_and_capture(const std::string& monitor_more, const std::string& service_more,
                         bool builtin_signatures = false) {
    ASSERT_NO_FATAL_FAILURE(start(monitor_more, service_more));
    add_address(rig_->network().proxy(), "fd99::2/64", "skia");
    add_address(rig_->network().honeypot(), "fd99::3/64", "skib");
    const auto open_to_all = testbed::run_to_end(
        {"/bin/sh", "-c", "echo 0 65535 > /proc/sys/net/ipv4/ping_group_range"}, {rig_->network().honeypot(), {}, {}});
    ASSERT_TRUE(open_to_all) << open_to_all.error().message;
    if (!builtin_signatures) {
      ASSERT_NO_FATAL_FAILURE(set_signatures(kNoSignatureForIt));
    }
    auto capture = Capture::start(rig_->network().proxy());
    ASSERT_TRUE(capture) << capture.error().message;
    capture_.emplace(std::move(*capture));
  }

  void add_address(const std::string& netns, const std::string& address, const std::string& device) {
    const auto added =
        testbed::run_to_end({"/usr/sbin/ip", "addr", "add", address, "dev", device, "nodad"}, {netns, {}, {}});
    ASSERT_TRUE(added) << added.error().message;
  }

  // What came from the service since the last time, beside its answers and the monitor's own words.
  std::vector<std::string> arrived() { return capture_->others({kServicePort, kControlPort, kAttackedPort}); }

  // Deeds that go nowhere, and are told as containment's.
  void expect_contained(const DeedRow& row) { expect_contained(std::span(&row, 1)); }
  void expect_contained(std::span<const DeedRow> rows) {
    for (const DeedRow& row : rows) {
      expect_answer(row);
      EXPECT_THAT(arrived(), testing::IsEmpty()) << row.description;
    }
    expect_sessions();
    EXPECT_THAT(arrived(), testing::IsEmpty()) << "later";
  }

  std::optional<Capture> capture_;
};

constexpr DeedRow contained(const char* description, const char* request, const char* answer) {
  return {description, request, answer, "containment", AlertAction::denied};
}

const DeedRow kDeeds[] = {
    {"an ordinary request", "plain nothing", "nothing done", "", AlertAction::observed},
    contained("TCP", "plain connect", "connect errno 101"),
    contained("UDP by sendto", "plain datagram", "datagram errno 101"),
    contained("UDP by sendmsg", "plain message", "message errno 101"),
    contained("UDP by sendmmsg", "plain messages", "messages errno 101"),
    contained("UDP, connected", "plain datagram_connect", "datagram_connect errno 101"),
    contained("a name look-up", "plain datagram 10.99.0.2:53", "datagram errno 101"),
    contained("a look-up that connects first", "plain send_connected 10.99.0.2:53", "send_connected errno 101"),
    contained("UDP, connected to port 0 as getaddrinfo does, and then sent", "plain send_connected 10.99.0.2:0",
              "send_connected errno 1"),
    contained("data with the SYN", "plain fast_open", "fast_open errno 101"),
    contained("data with the SYN, by a connect that only seems to", "plain fast_open_connect",
              "fast_open_connect errno 101"),
    contained("TCP over IPv6", "plain connect [fd99::2]:9", "connect errno 101"),
    contained("UDP over IPv6", "plain datagram [fd99::2]:9", "datagram errno 101"),
    contained("IPv4 in IPv6's words", "plain connect [::ffff:10.99.0.2]:9", "connect errno 101"),
    contained("ICMP by a raw socket", "plain raw_ping", "raw_ping errno 1"),
    contained("ICMPv6 by a raw socket", "plain raw_ping [fd99::2]:0", "raw_ping errno 1"),
    contained("ICMP by a socket for it", "plain ping", "ping errno 93"),
    contained("a raw socket of TCP", "plain raw_tcp", "raw_tcp errno 1"),
    contained("UDP-Lite", "plain udplite", "udplite errno 93"),
    contained("a packet socket", "plain packet_socket", "packet_socket errno 97"),
    contained("a socket to the hypervisor", "plain vsock", "vsock errno 97"),
    contained("this host's own loopback", "plain connect 127.0.0.1:22", "connect errno 101"),
    contained("loopback by its wildcard", "plain connect 0.0.0.0:22", "connect errno 101"),
    contained("by a thread", "thread connect", "connect errno 101"),
    contained("by an orphan", "double_fork datagram", "datagram errno 101"),
    contained("after an exec", "exec connect", "connect errno 101"),
    {"getaddrinfo's sorting sends nothing", "plain sort_wildcards", "sort_wildcards done", "", AlertAction::observed},
    {"and the service answers on", "plain nothing", "nothing done", "", AlertAction::observed},
};

TEST_F(ContainmentTest, NothingLeavesWhateverCallIsUsed) {
  ASSERT_NO_FATAL_FAILURE(start_and_capture("", ""));
  expect_contained(kDeeds);
  const auto alerts = std::ranges::count_if(kDeeds, [](const DeedRow& row) { return *row.rule != '\0'; });
  EXPECT_EQ(counted("alerts"), alerts);
  EXPECT_EQ(counted("kernel_helper_failures"), 0u);
}

TEST_F(ContainmentTest, NothingLeavesAnAdoptedService) {
  ASSERT_NO_FATAL_FAILURE(start_and_capture("", ""));
  ASSERT_NO_FATAL_FAILURE(adopt());
  std::vector<DeedRow> rows;
  for (const DeedRow& row : kDeeds) {
    // No filter asks about its families of sockets.
    const std::string request = row.request;
    if (request != "plain packet_socket" && request != "plain vsock") rows.push_back(row);
  }
  expect_contained(rows);
}

TEST_F(ContainmentTest, MptcpIsNotHadAndTcpIsContained) {
  ASSERT_NO_FATAL_FAILURE(start_and_capture("", ""));
  expect_contained({"told that there is none, as servers that listen by it are", "plain mptcp", "mptcp errno 93", "",
                    AlertAction::observed});
  EXPECT_EQ(counted("contained"), 1u);
}

TEST_F(ContainmentTest, AllowedPeersAreSpokenWith) {
  ASSERT_NO_FATAL_FAILURE(start_and_capture(
      "",
      ", outgoing: {allow: [{net: 10.99.0.2, ports: [25], proto: tcp}, {net: 10.99.0.2, ports: [53], proto: udp}, "
      "{net: \"fd99::/16\", ports: [7]}, {net: 127.0.0.1, ports: [11211]}]}",
      true));
  const auto mail = listen_on(rig_->network().proxy(), "10.99.0.2:25");
  ASSERT_TRUE(mail) << mail.error().message;
  const auto six = listen_on(rig_->network().proxy(), "[fd99::2]:7");
  ASSERT_TRUE(six) << six.error().message;
  const auto helper = listen_on(rig_->network().honeypot(), "127.0.0.1:11211");
  ASSERT_TRUE(helper) << helper.error().message;
  const DeedRow rows[] = {
      {"a listed peer", "plain connect 10.99.0.2:25", "connect done", "", AlertAction::observed},
      {"a listed peer, by its address in IPv6", "plain connect [::ffff:10.99.0.2]:25", "connect done", "",
       AlertAction::observed},
      {"a listed network of IPv6", "plain connect [fd99::2]:7", "connect done", "", AlertAction::observed},
      {"a helper of the service's own", "plain connect 127.0.0.1:11211", "connect done", "", AlertAction::observed},
      {"a listed resolver", "plain send_connected 10.99.0.2:53", "send_connected done", "", AlertAction::observed},
      {"the same without a connect", "plain datagram 10.99.0.2:53", "datagram done", "", AlertAction::observed},
  };
  for (const DeedRow& row : rows) expect_answer(row);
  expect_sessions();
  EXPECT_THAT(arrived(), testing::Contains(testing::HasSubstr(" > 10.99.0.2:25")));
  expect({"the same socket, taken from its peer and connected anew", "plain connect_again 10.99.0.2:26",
          "connect_again errno 101", "outgoing_connection", AlertAction::denied});
  EXPECT_THAT(arrived(), testing::Each(testing::HasSubstr(" > 10.99.0.2:25")));
  for (const char* refused :
       {"plain connect 10.99.0.2:26", "plain datagram 10.99.0.2:25", "plain connect 127.0.0.1:22"})
    expect({"another port, or by another protocol", refused,
            std::string_view(refused).find("datagram") == std::string_view::npos ? "connect errno 101"
                                                                                 : "datagram errno 101",
            "outgoing_connection", AlertAction::denied});
  EXPECT_THAT(arrived(), testing::IsEmpty());
}

TEST_F(ContainmentTest, TheFenceHoldsOverWhatIsAllowed) {
  ASSERT_NO_FATAL_FAILURE(start_and_capture("fence: [10.99.0.0/24, \"fd99::/16\"]",
                                            ", outgoing: {allow: [{net: 0.0.0.0/0}, {net: \"::/0\"}], limits: {tcp: "
                                            "20/h, udp: 20/h, icmp: 20/h, other: 20/h}}"));
  const DeedRow rows[] = {
      contained("TCP", "plain connect", "connect errno 101"),
      contained("UDP", "plain datagram", "datagram errno 101"),
      contained("IPv6", "plain connect [fd99::2]:9", "connect errno 101"),
      contained("IPv4 in IPv6's words", "plain connect [::ffff:10.99.0.2]:9", "connect errno 101"),
      contained("ICMP, for which sockets are had", "plain raw_ping", "raw_ping errno 1"),
      contained("raw TCP", "plain raw_tcp", "raw_tcp errno 1"),
  };
  expect_contained(rows);
  EXPECT_EQ(counted("let_go"), 0u);
}

TEST_F(ContainmentTest, LimitsLetSoManyGoAndNoMore) {
  ASSERT_NO_FATAL_FAILURE(start_and_capture("", ", outgoing: {limits: {tcp: 3/h, udp: 2/h, icmp: 2/h}}", true));
  const auto listener = listen_on(rig_->network().proxy(), "10.99.0.2:9");
  ASSERT_TRUE(listener) << listener.error().message;
  const auto let_go = [](const char* request, const char* answer) {
    return DeedRow{"within the limit", request, answer, "containment", AlertAction::observed};
  };
  for (int i = 0; i < 3; ++i) expect(let_go("plain connect", "connect done"));
  EXPECT_THAT(arrived(), testing::Contains(testing::HasSubstr("protocol 6 10.99.0.3")));
  expect_contained(
      {"the fourth connection", "plain connect", "connect errno 101", "outgoing_connection", AlertAction::denied});
  expect(let_go("plain datagram 10.99.0.2:7", "datagram done"));
  expect({"the same peer is no new one", "plain datagram 10.99.0.2:7", "datagram done", "", AlertAction::observed});
  expect(let_go("plain message 10.99.0.2:8", "message done"));
  EXPECT_EQ(arrived().size(), 3u);
  expect_contained({"a third peer", "plain datagram 10.99.0.2:10", "datagram errno 101", "outgoing_connection",
                    AlertAction::denied});
  EXPECT_EQ(counted("let_go"), 5u);
  ASSERT_NO_FATAL_FAILURE(set_signatures(kNoSignatureForIt));  // the built-in set has raw sockets refused
  expect(let_go("plain raw_ping", "raw_ping done"));
  expect(let_go("plain raw_ping", "raw_ping done"));
  EXPECT_EQ(arrived().size(), 2u);
  expect_contained(contained("a third ping", "plain raw_ping", "raw_ping errno 1"));
}

// What the hooks see is not what the header says.
TEST_F(ContainmentTest, AHeaderThatLeadsElsewhereIsSeen) {
  ASSERT_NO_FATAL_FAILURE(
      start_and_capture("", ", outgoing: {allow: [{net: 10.99.7.7, ports: [25]}], limits: {icmp: 9/h}}"));
  expect_contained(contained("a source route by another than the peer", "plain source_route 10.99.7.7:25",
                             "source_route errno 110"));
  expect_contained(
      contained("TCP by a raw socket of ICMP", "plain forged_header 10.99.0.2:25", "forged_header errno 1"));
  expect_contained(contained("an answer, by way of another than who asked", "plain answer_elsewhere 10.99.0.7:1",
                             "elsewhere answer_elsewhere done"));
  EXPECT_GE(counted("contained_packets"), 3u);
}

TEST_F(ContainmentTest, AServiceWithoutPrivilegesCannotChangeRoutes) {
  ASSERT_NO_FATAL_FAILURE(start("", ", user: nobody"));
  expect({"by netlink", "plain route", "route errno 1", "", AlertAction::observed});
}

TEST_F(ContainmentTest, AServerThatWakesItselfIsLeftAlone) {
  auto folder = Folder::make();
  ASSERT_TRUE(folder);
  const std::string output = folder->path() + "/output";
  ASSERT_NO_FATAL_FAILURE(start("", ", output: " + output, ", --wake"));
  ASSERT_TRUE(eventually([&] { return read_file(output).value_or("").find("woken") != std::string::npos; }));
  EXPECT_EQ(*read_file(output), "woken: errno 0\n");
  EXPECT_EQ(counted("contained") + counted("contained_packets") + counted("alerts"), 0u);
}

// Passes a socket, made and connected outside, to the first who comes to a Unix socket, and goes.
class Passer {
 public:
  Passer(const std::string& path, Fd what)
      : what_(std::move(what)), listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    ready_ = ::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
             ::listen(listener_.get(), 1) == 0;
    thread_ = std::thread([this] { pass(); });
  }
  ~Passer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  bool ready() const { return ready_; }

 private:
  void pass() {
    const Fd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const char byte = 1;
    send_with_descriptor(peer.get(), &byte, 1, what_.get());
  }
  Fd what_;
  Fd listener_;
  bool ready_ = false;
  std::thread thread_;
};

TEST_F(ContainmentTest, ASocketOfSomebodyElsesIsContainedWhereTheServiceSendsByIt) {
  ASSERT_NO_FATAL_FAILURE(start_and_capture("", ""));
  auto datagrams = socket_in(rig_->network().honeypot(), AF_INET, SOCK_DGRAM, 0);
  ASSERT_TRUE(datagrams);
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(9);
  ::inet_aton("10.99.0.2", &peer.sin_addr);
  ASSERT_EQ(::connect(datagrams->get(), reinterpret_cast<const sockaddr*>(&peer), sizeof peer), 0);
  {
    const Passer passer(rig_->file("line1"), std::move(*datagrams));
    ASSERT_TRUE(passer.ready());
    expect_contained(contained("a datagram socket", ("plain passed " + rig_->file("line1")).c_str(), "passed errno 1"));
  }
  const auto listener = listen_on(rig_->network().proxy(), "10.99.0.2:9");
  auto stream = connect_from(rig_->network().honeypot(), "10.99.0.2:9");
  ASSERT_TRUE(listener && stream);
  const auto accepted = accept_one(*listener);
  ASSERT_TRUE(accepted);
  arrived();
  const Passer passer(rig_->file("line2"), std::move(*stream));
  const auto [answer, session] = ask("plain passed " + rig_->file("line2"));
  EXPECT_EQ(answer, "passed done") << "TCP takes the bytes; they stay here";
  ASSERT_EQ(session.alerts.size(), 1u);
  EXPECT_EQ(session.alerts[0].rule, "containment");
  for (const std::string& packet : arrived()) ADD_FAILURE() << packet;
}

}  // namespace
}  // namespace skep::harness
