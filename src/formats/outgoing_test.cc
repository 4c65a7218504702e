#include "formats/outgoing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>

#include "base/doc_page.h"
#include "formats/options.h"

namespace skep::formats {
namespace {

using testing::HasSubstr;

Result<MonitoredService> service(const std::string& outgoing) {
  const auto all =
      parse_monitored_services("s.yaml", "name: web\ncommand: [/bin/webd]\nport: 80\noutgoing: " + outgoing + "\n");
  if (!all) return tl::unexpected<Error>(all.error());
  return all->front();
}

TEST(OutgoingTest, NothingIsAllowedWhereNothingIsSaid) {
  const auto rules = outgoing_rules({}, {});
  ASSERT_TRUE(rules);
  EXPECT_EQ(rules->peer_count, 0u);
  for (const skep_outgoing_limit& limit : rules->limits) EXPECT_EQ(limit.count, 0u);
}

TEST(OutgoingTest, APeerIsOneRuleForEachPort) {
  const auto read = service("{allow: [{net: 10.0.0.25/32, ports: [25, 587], proto: tcp}, {net: 'fd00::/8'}]}");
  ASSERT_TRUE(read) << read.error().message;
  const auto rules = outgoing_rules(read->outgoing, {"10.1.0.0/16"});
  ASSERT_TRUE(rules);
  ASSERT_EQ(rules->peer_count, 3u);
  EXPECT_EQ(rules->peers[0].port, 25);
  EXPECT_EQ(rules->peers[1].port, 587);
  EXPECT_EQ(rules->peers[1].protocol, IPPROTO_TCP);
  EXPECT_EQ(rules->peers[2].port, 0);
  EXPECT_EQ(rules->peers[2].protocol, 0);
  EXPECT_EQ(rules->fence_count, 1u);
}

TEST(OutgoingTest, IcmpIsThatOfBothProtocols) {
  const auto read = service("{allow: [{net: 10.0.0.1, proto: icmp}]}");
  ASSERT_TRUE(read) << read.error().message;
  const auto rules = outgoing_rules(read->outgoing, {});
  ASSERT_TRUE(rules);
  EXPECT_EQ(rules->peers[0].protocol, IPPROTO_ICMP);
  EXPECT_EQ(rules->peers[1].protocol, IPPROTO_ICMPV6);
}

TEST(OutgoingTest, ReadsLimits) {
  const auto read = service("{limits: {tcp: 20/h, udp: 1/s, icmp: 50/m, other: 10/d}}");
  ASSERT_TRUE(read) << read.error().message;
  const skep_outgoing_limit* const limits = read->outgoing.limits;
  EXPECT_EQ(limits[SKEP_OUT_TCP].count, 20u);
  EXPECT_EQ(limits[SKEP_OUT_TCP].period_s, 3600u);
  EXPECT_EQ(limits[SKEP_OUT_UDP].period_s, 1u);
  EXPECT_EQ(limits[SKEP_OUT_ICMP].period_s, 60u);
  EXPECT_EQ(limits[SKEP_OUT_OTHER].period_s, 86'400u);
}

TEST(OutgoingTest, SaysWhatIsWrong) {
  const struct {
    const char* outgoing;
    const char* words;
  } rows[] = {
      {"{alow: []}", "did you mean 'allow'?"},
      {"{allow: [{net: 10.0.0.0/33}]}", "s.yaml:4: net: '10.0.0.0/33' is no network"},
      {"{allow: [{ports: [25]}]}", "'net' is missing"},
      {"{allow: [{net: mailhost}]}", "'mailhost' is no address or network"},
      {"{allow: [{net: 10.0.0.1, ports: [0]}]}", "'0' is no port"},
      {"{allow: [{net: 10.0.0.1, proto: sctp}]}", "wants tcp, udp or icmp"},
      {"{allow: [{net: 10.0.0.1, proto: icmp, ports: [7]}]}", "ICMP has none"},
      {"{limits: {tcp: 20}}", "'20' is no limit"},
      {"{limits: {tcp: 20/w}}", "'20/w' is no limit"},
      {"{limits: {tcp: 257/h}}", "256 are the most"},
      {"{limits: {tpc: 20/h}}", "unknown key 'tpc'"},
  };
  for (const auto& row : rows) {
    const auto read = service(row.outgoing);
    ASSERT_FALSE(read) << row.outgoing;
    EXPECT_THAT(read.error().message, HasSubstr(row.words)) << row.outgoing;
  }
}

TEST(OutgoingTest, MorePeersThanTheKernelHoldsAreAnError) {
  std::string ports;
  for (int port = 1; port <= 65; ++port) ports += (port > 1 ? "," : "") + std::to_string(port);
  const auto read = service("{allow: [{net: 10.0.0.1, ports: [" + ports + "]}]}");
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("more than 64 allowed peers"));
}

TEST(OutgoingTest, TheFenceIsAnOptionOfTheMonitor) {
  const std::string least =
      "listen: 10.0.0.1:1\nkeys: /k\nservices: [{name: web, command: [w], port: 80, outgoing: "
      "{allow: [{net: 10.0.0.1, ports: [1, 2], proto: udp}], limits: {tcp: 3/s}}}]\n";
  const auto options = parse_monitor_options("m.yaml", least + "fence: [10.9.0.0/16, 'fd00::/8']\n");
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->fence.size(), 2u);
  const std::string effective = effective_yaml(*options);
  const auto again = parse_monitor_options("e", effective);
  ASSERT_TRUE(again) << again.error().message << effective;
  EXPECT_EQ(effective_yaml(*again), effective);
  EXPECT_THAT(effective, HasSubstr("3/s"));
  const auto wrong = parse_monitor_options("m.yaml", least + "fence: [10.9]\n");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr("m.yaml:4: fence: '10.9' is no address or network"));
}

TEST(OutgoingTest, ThePageIsAsTheCodeReadsIt) {
  const auto blocks = fenced_blocks(source_text("docs/containment.md"), "yaml monitor.yaml");
  ASSERT_EQ(blocks.size(), 1u);
  const auto options = parse_monitor_options("page", blocks[0]);
  ASSERT_TRUE(options) << options.error().message;
  const auto rules = outgoing_rules(options->services.at(0).outgoing, options->fence);
  ASSERT_TRUE(rules);
  EXPECT_EQ(rules->peer_count, 4u);
  EXPECT_EQ(rules->fence_count, 2u);
  const std::string page = source_text("docs/containment.md");
  for (const int limit : {int{SKEP_PEERS_MAX}, int{SKEP_LET_GO_MAX}, int{SKEP_FENCES_MAX}})
    EXPECT_THAT(page, HasSubstr(fmt::format("at most {}", limit)));
}

class LimitTest : public testing::Test {
 protected:
  bool go(uint64_t now_ns) { return skep_let_one_go(&past_, 20, 100, now_ns) == 1; }
  skep_let_go past_{};
};

TEST_F(LimitTest, TwentyGoAndTheTwentyFirstDoesNot) {
  for (uint64_t i = 0; i < 20; ++i) EXPECT_TRUE(go(1000 + i)) << i;
  EXPECT_FALSE(go(1020));
}

TEST_F(LimitTest, TheWindowSlides) {
  for (uint64_t i = 0; i < 20; ++i) go(1000 + i * 4);  // the last at 1076
  EXPECT_FALSE(go(1099));
  EXPECT_TRUE(go(1100)) << "the first is a period old";
  EXPECT_FALSE(go(1103)) << "the second is not yet";
  EXPECT_TRUE(go(1104));
}

TEST_F(LimitTest, AtNoMomentHaveMoreGoneInThePeriodBefore) {
  std::vector<uint64_t> gone;
  for (uint64_t now = 1; now < 2000; now += 1 + now % 3) {
    if (go(now)) gone.push_back(now);
  }
  ASSERT_GT(gone.size(), 300u);
  for (size_t i = 20; i < gone.size(); ++i) EXPECT_GE(gone[i] - gone[i - 20], 100u) << i;
}

TEST_F(LimitTest, ARefusedAttemptUsesNothingUp) {
  for (uint64_t i = 0; i < 20; ++i) go(1000);
  for (uint64_t i = 0; i < 50; ++i) EXPECT_FALSE(go(1001 + i));
  EXPECT_TRUE(go(1100));
}

}  // namespace
}  // namespace skep::formats
