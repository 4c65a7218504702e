// Four shards: what comes is shared out among them, and what is to be one for all of them is one.
#include <fstream>
#include <set>

#include "base/file.h"
#include "harness/hosts.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

using archive::SessionSummary;

constexpr char kSource[] = "10.99.1.5";
constexpr char kServices[] =
    "  - name: pair\n"
    "    listen: [\"10.99.1.2:90\"]\n"
    "    baits: [{address: 10.99.0.3:9000}, {address: 10.99.0.3:9001}]\n"
    "  - {name: child, listen: [\"10.99.1.2:91\"], address: 10.99.0.3:9000, linked_to: pair}\n";

class ShardsTest : public testing::Test {
 protected:
  void start(const std::string& more = {}) {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    RigOptions options;
    options.services_proxy = kServices;
    options.proxy_more = "shards: 4\n" + more;
    options.with_bait = false;
    rig_.emplace(options);
    ASSERT_TRUE(rig_->set_up());
    const auto added =
        testbed::run_to_end({"/usr/bin/env", "ip", "addr", "add", std::string(kSource) + "/24", "dev", "skoa"},
                            {rig_->network().attacker(), {}, {}});
    ASSERT_TRUE(added) << added.error().message;
    for (const char* endpoint : {"10.99.0.3:9000", "10.99.0.3:9001"}) {
      auto bait = testbed::Process::start({rig_->program("bare_server"), endpoint, "echo"},
                                          {rig_->network().honeypot(), rig_->file("bait.log"), {}});
      ASSERT_TRUE(bait);
      ASSERT_TRUE(bait->await_line("ready", 10'000));
      baits_.push_back(std::move(*bait));
    }
    const auto started = rig_->start_proxy();
    ASSERT_TRUE(started) << started.error().message;
  }
  Fd open(const std::string& endpoint = "10.99.1.2:90") {
    auto client = connect_from(rig_->network().attacker(), endpoint, kSource);
    return client ? std::move(*client) : Fd();
  }
  std::vector<Fd> open_many(size_t count, const std::string& endpoint = "10.99.1.2:90") {
    std::vector<Fd> all;
    for (size_t i = 0; i < count; ++i) all.push_back(open(endpoint));
    return all;
  }
  static bool answers(const Fd& client) {
    if (!client) return false;
    send_text(client, "hello");
    return receive_all(client, 5).text == "hello";
  }
  std::vector<SessionSummary> sessions(size_t count) {
    auto all = rig_->sessions(count);
    EXPECT_TRUE(all) << all.error().message;
    return all ? std::move(*all) : std::vector<SessionSummary>();
  }
  // As they are listed, open ones too, once so many are.
  std::vector<SessionSummary> listed(size_t count) {
    auto reader = archive::Reader::open(rig_->file("archive"));
    EXPECT_TRUE(reader);
    std::vector<SessionSummary> rows;
    EXPECT_TRUE(eventually([&] {
      rows = reader->list({}).value_or(std::vector<SessionSummary>());
      return rows.size() == count;
    })) << rows.size();
    return rows;
  }
  static std::set<unsigned> shards_of(const std::vector<SessionSummary>& sessions) {
    std::set<unsigned> shards;
    for (const SessionSummary& each : sessions) shards.insert(writer_number(each.id));
    return shards;
  }
  Rig::Said skep(std::vector<std::string> words) {
    words.insert(words.end(), {"--config", rig_->file("proxy.yaml")});
    return rig_->skep(words);
  }
  std::optional<Rig> rig_;
  std::vector<testbed::Process> baits_;
};

TEST_F(ShardsTest, WhatComesIsSharedOutAndEachSessionIsWhole) {
  start();
  auto clients = open_many(64);
  for (const Fd& each : clients) ASSERT_TRUE(answers(each));
  const std::string status = skep({"status", "--json"}).text;
  EXPECT_EQ(number_in(status, "shards"), 4u);
  EXPECT_EQ(number_in(status, "sessions_live"), 64u);
  clients.clear();
  const auto all = sessions(64);
  ASSERT_EQ(all.size(), 64u);
  EXPECT_GE(shards_of(all).size(), 3u) << "by the kernel's hash: all of 64 in two of four would be a wonder";
  for (const SessionSummary& each : all) EXPECT_EQ(each.bytes_in + each.bytes_out, 10u);
  const auto verified = rig_->skep({"archive", "verify"});
  EXPECT_EQ(verified.code, 0) << verified.text << *read_file(rig_->file("skep.err"));
}

TEST_F(ShardsTest, ALimitIsOneForAllOfThem) {
  start("sessions_per_source_max: 10\n");
  const auto clients = open_many(40);
  size_t answered = 0;
  for (const Fd& each : clients) answered += answers(each) ? 1 : 0;
  EXPECT_EQ(answered, 10u);
}

TEST_F(ShardsTest, ASourceStaysAtItsBaitAndFindsItsParentWhicheverShardHasIt) {
  start();
  for (int visit = 0; visit < 24; ++visit) ASSERT_TRUE(answers(open()));
  const Fd parent = open();
  ASSERT_TRUE(answers(parent));
  for (int visit = 0; visit < 8; ++visit) ASSERT_TRUE(answers(open("10.99.1.2:91")));
  const auto there = listed(33);
  EXPECT_GE(shards_of(there).size(), 3u);
  std::set<std::string> baits;
  std::set<uint64_t> parents;
  SessionId last_of_pair;
  for (const SessionSummary& each : there) {
    if (each.service == "pair") {
      baits.insert(to_string(each.bait));
      last_of_pair = each.id;
    } else {
      parents.insert(each.parent.value);
    }
  }
  EXPECT_EQ(baits.size(), 1u);
  EXPECT_EQ(parents, std::set<uint64_t>{last_of_pair.value});
}

TEST_F(ShardsTest, ACutFindsTheShardOfItsSession) {
  start();
  const auto clients = open_many(12);
  for (const Fd& each : clients) ASSERT_TRUE(answers(each));
  const auto there = listed(12);
  EXPECT_GE(shards_of(there).size(), 2u);
  for (const SessionSummary& each : there) EXPECT_EQ(skep({"session", "cut", to_string(each.id)}).code, 0);
  for (const Fd& each : clients) EXPECT_TRUE(receive_all(each).reset);
  for (const SessionSummary& each : sessions(12)) EXPECT_EQ(each.end_reason, EndReason::cut);
}

TEST_F(ShardsTest, OptionsAreReadByAllOfThem) {
  start();
  std::string text = *read_file(rig_->file("proxy.yaml"));
  const size_t at = text.find("  - {name: child");
  ASSERT_NE(at, std::string::npos);
  text.replace(at, text.find('\n', at) - at,
               "  - {name: other, listen: [\"10.99.1.2:1092\"], address: 10.99.0.3:9001}");
  std::ofstream(rig_->file("proxy.yaml")) << text;
  const auto said = skep({"reload"});
  ASSERT_EQ(said.code, 0) << said.text << *read_file(rig_->file("skep.err"));
  for (const Fd& each : open_many(16, "10.99.1.2:1092")) EXPECT_TRUE(answers(each));
  for (const Fd& each : open_many(16, "10.99.1.2:91")) EXPECT_FALSE(each) << "nobody listens there any more";
  for (const Fd& each : open_many(16)) EXPECT_TRUE(answers(each));
}

TEST_F(ShardsTest, WhoHasThePortAlreadyIsFoundOut) {
  start();
  std::string text = *read_file(rig_->file("proxy.yaml"));
  const size_t at = text.find(rig_->file("archive"));
  ASSERT_NE(at, std::string::npos);
  text.replace(at, rig_->file("archive").size(), rig_->file("archive2"));
  std::ofstream(rig_->file("second.yaml")) << text;
  const auto second = testbed::run_to_end({rig_->program("skep-proxy"), "--config", rig_->file("second.yaml")},
                                          {rig_->network().proxy(), rig_->file("second.log"), {}});
  EXPECT_FALSE(second);
  EXPECT_NE(rig_->log("second").find("Address already in use"), std::string::npos) << rig_->log("second");
}

}  // namespace
}  // namespace skep::harness
