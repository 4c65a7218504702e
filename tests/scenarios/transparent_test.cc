// Addresses that are not the proxy host's own: whole subnets on one listener, what is redirected to it, and the
// attacker's address towards the bait.
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>
#include <set>
#include <thread>

#include "base/file.h"
#include "harness/hosts.h"
#include "harness/rig.h"
#include "model/socket_address.h"

namespace skep::harness {
namespace {

using archive::SessionSummary;

constexpr char kServices[] =
    "  - {name: any, listen: [\"0.0.0.0:90\", \"[::]:90\"], address: 10.99.0.3:9000}\n"
    "  - {name: redirected, listen: [\"0.0.0.0:91\", \"[::]:91\"], address: 10.99.0.3:9000, transparent: true}\n"
    "  - {name: as-client, listen: [\"0.0.0.0:92\"], address: 10.99.0.3:9000, source: transparent}\n"
    "  - {name: datagrams, protocol: udp, listen: [\"0.0.0.0:92\"], address: 10.99.0.3:9000, source: transparent}\n";
constexpr size_t kAddresses = 300;

class TransparentTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    RigOptions options;
    options.services_proxy = kServices;
    options.with_bait = false;
    rig_.emplace(options);
    ASSERT_TRUE(rig_->set_up());
    const std::string& attacker = rig_->network().attacker();
    const std::string& proxy = rig_->network().proxy();
    run(attacker, {"ip", "addr", "add", "fd99:1::1/64", "dev", "skoa", "nodad"});
    run(proxy, {"ip", "addr", "add", "fd99:1::2/64", "dev", "skob", "nodad"});
    run(attacker, {"ip", "route", "add", "10.76.0.0/15", "via", "10.99.1.2"});
    run(attacker, {"ip", "-6", "route", "add", "fd76::/15", "via", "fd99:1::2"});
    const auto started = rig_->start_proxy();
    ASSERT_TRUE(started) << started.error().message;
    auto listener = listen_on(rig_->network().honeypot(), "10.99.0.3:9000");
    ASSERT_TRUE(listener) << listener.error().message;
    listener_ = std::move(*listener);
  }
  void run(const std::string& netns, std::vector<std::string> command) {
    command.insert(command.begin(), "/usr/bin/env");
    const auto done = testbed::run_to_end(command, {netns, {}, {}});
    ASSERT_TRUE(done) << done.error().message;
  }
  // Packets with mark 1 are this host's, whatever their address.
  void take_marked() {
    for (const char* family : {"-4", "-6"}) {
      run(rig_->network().proxy(), {"ip", family, "rule", "add", "fwmark", "1", "lookup", "100"});
      run(rig_->network().proxy(), {"ip", family, "route", "add", "local", "default", "dev", "lo", "table", "100"});
    }
  }
  // False: not on this host; the test is skipped with `why`.
  bool set_rules(const std::string& rules, std::string& why) {
    if (::access("/usr/sbin/nft", X_OK) != 0) {
      why = "no nft; tools/install-deps installs it";
      return false;
    }
    EXPECT_TRUE(write_file(rig_->file("rules"), rules));
    const auto done = testbed::run_to_end({"/usr/sbin/nft", "-f", rig_->file("rules")},
                                          {rig_->network().proxy(), rig_->file("nft.err"), {}});
    const std::string said = read_file(rig_->file("nft.err")).value_or("");
    EXPECT_EQ(said.find("syntax error"), std::string::npos) << said;
    why = "this kernel does not take the rules: " + said;
    return done.has_value();
  }
  // One session to each of these; each is answered.
  void visit(const std::vector<std::string>& endpoints) {
    std::thread bait([&] {
      for (size_t i = 0; i < endpoints.size(); ++i) {
        const auto at = accept_one(listener_);
        if (!at) return;
        receive_all(*at, 1);
        send_text(*at, "y");
      }
    });
    for (const std::string& endpoint : endpoints) {
      const auto client = connect_from(rig_->network().attacker(), endpoint);
      EXPECT_TRUE(client) << client.error().message;
      if (!client) break;
      send_text(*client, "x");
      EXPECT_EQ(receive_all(*client, 1).text, "y") << endpoint;
    }
    ::shutdown(listener_.get(), SHUT_RD);
    bait.join();
  }
  std::set<std::string> entrances(size_t count) {
    const auto all = rig_->sessions(count, 60'000);
    EXPECT_TRUE(all) << all.error().message;
    std::set<std::string> found;
    if (!all) return found;
    EXPECT_EQ(all->size(), count);
    for (const SessionSummary& session : *all) found.insert(to_string(session.entrance));
    return found;
  }
  std::optional<Rig> rig_;
  Fd listener_;
};

// Of a /16 and a /64; every port the same, or each another.
std::vector<std::string> random_endpoints(std::string_view v4, std::string_view v6, bool any_port) {
  std::mt19937 random(5);
  std::set<std::string> endpoints;
  while (endpoints.size() < 2 * kAddresses) {
    const auto port = any_port ? 1024 + random() % 60'000 : 90;
    endpoints.insert(endpoints.size() < kAddresses
                         ? fmt::format("{}.{}.{}:{}", v4, random() % 256, random() % 256, port)
                         : fmt::format("[{}:{:x}:{:x}:{:x}:{:x}]:{}", v6, 1 + random() % 0xfffe, 1 + random() % 0xfffe,
                                       1 + random() % 0xfffe, 1 + random() % 0xfffe, port));
  }
  return {endpoints.begin(), endpoints.end()};
}

std::set<std::string> as_written(const std::vector<std::string>& endpoints) {
  std::set<std::string> written;
  for (const std::string& each : endpoints) written.insert(to_string(parse_endpoint(each).value_or(Endpoint{})));
  return written;
}

// 65,536 addresses, and 2^64, at one listener each: no address of them is configured, the route makes them this host's.
TEST_F(TransparentTest, WholeSubnetsAreServedByOneListenerAndTheEntranceIsTheAddressThatWasSpokenTo) {
  run(rig_->network().proxy(), {"ip", "route", "add", "local", "10.77.0.0/16", "dev", "lo"});
  run(rig_->network().proxy(), {"ip", "-6", "route", "add", "local", "fd77::/64", "dev", "lo"});
  const auto endpoints = random_endpoints("10.77", "fd77:0:0:0", false);
  visit(endpoints);
  EXPECT_EQ(entrances(endpoints.size()), as_written(endpoints));
}

constexpr char kTproxy[] = R"(table inet skep {
  chain taken {
    type filter hook prerouting priority mangle; policy accept;
    iifname "skob" ip daddr 10.76.0.0/16 meta l4proto tcp tproxy ip to :91 meta mark set 1 accept
    iifname "skob" ip6 daddr fd76::/16 meta l4proto tcp tproxy ip6 to :91 meta mark set 1 accept
  }
}
)";

TEST_F(TransparentTest, WhatTproxyBringsComesInWithTheAddressAndPortThatWereSpokenTo) {
  std::string why;
  if (!set_rules(kTproxy, why)) GTEST_SKIP() << why;
  take_marked();
  const auto endpoints = random_endpoints("10.76", "fd76:0:0:0", true);
  visit(endpoints);
  EXPECT_EQ(entrances(endpoints.size()), as_written(endpoints));
}

// What comes back to an address that is not ours, for a socket of ours.
constexpr char kAnswers[] = R"(table inet skep {
  chain answers {
    type filter hook prerouting priority mangle; policy accept;
    iifname "skia" meta l4proto { tcp, udp } socket transparent 1 meta mark set 1 accept
  }
}
)";

TEST_F(TransparentTest, OfDatagramsTheBaitSeesTheAttackersAddressToo) {
  std::string why;
  if (!set_rules(kAnswers, why)) GTEST_SKIP() << why;
  take_marked();
  run(rig_->network().honeypot(), {"ip", "route", "add", "10.99.1.0/24", "via", "10.99.0.2"});
  auto bait = socket_in(rig_->network().honeypot(), AF_INET, SOCK_DGRAM, 0);
  auto client = socket_in(rig_->network().attacker(), AF_INET, SOCK_DGRAM, 0);
  ASSERT_TRUE(bait && client);
  const SocketAddress at = to_socket_address(*parse_endpoint("10.99.0.3:9000"));
  const SocketAddress entrance = to_socket_address(*parse_endpoint("10.99.1.2:92"));
  ASSERT_EQ(::bind(bait->get(), at.get(), at.bytes), 0);
  ASSERT_EQ(::connect(client->get(), entrance.get(), entrance.bytes), 0);
  send_text(*client, "question");
  char room[16];
  sockaddr_storage from{};
  socklen_t bytes = sizeof from;
  ASSERT_EQ(::recvfrom(bait->get(), room, sizeof room, 0, reinterpret_cast<sockaddr*>(&from), &bytes), 8);
  EXPECT_EQ(address_text(to_endpoint(from)), "10.99.1.1");
  ASSERT_EQ(::sendto(bait->get(), "answer", 6, 0, reinterpret_cast<sockaddr*>(&from), bytes), 6);
  EXPECT_EQ(receive_all(*client, 6).text, "answer");
}

TEST_F(TransparentTest, TheBaitSeesTheAttackersAddressAndTheProxyKeepsOneCapability) {
  std::string why;
  if (!set_rules(kAnswers, why)) GTEST_SKIP() << why;
  take_marked();
  run(rig_->network().honeypot(), {"ip", "route", "add", "10.99.1.0/24", "via", "10.99.0.2"});
  for (const char* user : {"", "user: nobody\n"}) {
    if (*user != '\0') {
      const auto config = read_file(rig_->file("proxy.yaml"));
      ASSERT_TRUE(write_file(rig_->file("proxy.yaml"), user + *config));
      ASSERT_EQ(::chmod(rig_->file(".").c_str(), 0755), 0);  // so that nobody finds the archive
      ASSERT_TRUE(rig_->kill_proxy());                       // what it leaves in memory is its own user's
      const auto started = rig_->start_proxy();
      ASSERT_TRUE(started) << started.error().message << rig_->log("proxy");
    }
    auto client = connect_from(rig_->network().attacker(), "10.99.1.2:92");
    ASSERT_TRUE(client);
    auto bait = accept_one(listener_);
    ASSERT_TRUE(bait) << bait.error().message << rig_->log("proxy");
    EXPECT_EQ(address_text(peer_of(*bait)), "10.99.1.1");
    send_text(*client, "question");
    EXPECT_EQ(receive_all(*bait, 8).text, "question");
    send_text(*bait, "answer");
    EXPECT_EQ(receive_all(*client, 6).text, "answer");
    const auto status = read_file(fmt::format("/proc/{}/status", rig_->proxy()->pid()));
    EXPECT_NE(status->find("CapEff:\t0000000000002000\n"), std::string::npos) << "CAP_NET_RAW alone: " << *status;
    EXPECT_NE(status->find("CapPrm:\t0000000000002000\n"), std::string::npos);
  }
  EXPECT_NE(rig_->log("proxy").find("CAP_NET_RAW is kept"), std::string::npos);
}

}  // namespace
}  // namespace skep::harness
