// A rule that fires is no known attack: with all rules of 2004 and our own loaded, attacks that are new go through to
// the bait, tagged by the ways they go, and the host's kernel says what they were.
#include <algorithm>
#include <iostream>
#include <set>

#include "base/file.h"
#include "base/text.h"
#include "harness/real_data.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

class NewAttacksTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
  }

  // The rules of 2004 where they are at hand, our own in any case.
  void start(const std::string& services_monitor, const std::string& service_proxy) {
    rules_ = {SKEP_SOURCE "/deploy/rules/known-2004.rules"};
    if (const std::string text = unpacked(real_data("filter/snort-2.2.0-2004-gpl.rules.gz")); !text.empty()) {
      ASSERT_TRUE(write_file(folder_.path() + "/2004.rules", text));
      rules_.push_back(folder_.path() + "/2004.rules");
    } else {
      std::cout << "NOT LOADED: the rules of 2004 are not here (SKEP_DATA)\n";
    }
    RigOptions options;
    options.services_monitor = services_monitor;
    options.services_proxy = service_proxy;
    options.proxy_more = fmt::format("filter: {{rules: [{}]}}", fmt::join(rules_, ", "));
    rig_.emplace(options);
    const auto started = rig_->start();
    ASSERT_TRUE(started) << started.error().message;
  }

  // It went through whole, and the rules that fired are ways.
  static void expect_forwarded_and_tagged(const archive::SessionSummary& session) {
    EXPECT_EQ(session.forwarded_in, session.bytes_in);
    EXPECT_FALSE(session.rule_hits.empty());
    for (const RuleHit& hit : session.rule_hits) {
      EXPECT_EQ(hit.grade, RuleGrade::generic) << hit.message;
      EXPECT_FALSE(suppresses(hit.action)) << hit.message;
    }
  }

  // What `skep rules scan` says with these words, and the loaded rules.
  std::vector<std::string> scan(std::vector<std::string> words) {
    words.insert(words.begin(), {"rules", "scan", "--every", "--json", "--rules"});
    words.insert(words.begin() + 5, rules_.begin(), rules_.end());
    const auto said = rig_->skep(words);
    EXPECT_EQ(said.code, 0);
    std::vector<std::string> lines;
    for (const std::string_view line : split(said.text, '\n')) {
      if (!line.empty()) lines.emplace_back(line);
    }
    return lines;
  }

  // Over what was recorded, and over a session's pcapng, it says the same as the proxy did.
  void expect_scan_agrees(const std::vector<archive::SessionSummary>& sessions) {
    std::set<std::pair<std::string, unsigned>> live, recorded;
    for (const archive::SessionSummary& session : sessions) {
      for (const RuleHit& hit : session.rule_hits) live.emplace(to_string(session.id), hit.sid);
    }
    for (const std::string& line : scan({})) {
      constexpr std::string_view kBegin = "{\"session\":\"";
      ASSERT_TRUE(line.starts_with(kBegin)) << line;
      const std::string id = line.substr(kBegin.size());
      recorded.emplace(id.substr(0, id.find('"')), number_in(line, "sid"));
    }
    EXPECT_EQ(recorded, live);
    const archive::SessionSummary& last = sessions.back();
    ASSERT_EQ(rig_->skep({"session", "export", to_string(last.id), "-o", rig_->file("last.pcapng")}).code, 0);
    std::set<unsigned> captured, wanted;
    for (const std::string& line : scan({"--pcap", rig_->file("last.pcapng")})) captured.insert(number_in(line, "sid"));
    for (const RuleHit& hit : last.rule_hits) wanted.insert(hit.sid);
    EXPECT_EQ(captured, wanted);
  }

  Folder folder_ = *Folder::make();
  std::vector<std::string> rules_;
  std::optional<Rig> rig_;
};

TEST_F(NewAttacksTest, AnOverflowWithASlideOfNopsReachesTheBaitAndIsAnAttack) {
  const Rig names(RigOptions{});
  start(fmt::format("  - {{name: dune, command: [{}, {}, \"9000\"], port: 9000, address_randomisation: false}}\n",
                    names.program("dune2004"), testbed::kHoneypotAddress),
        fmt::format("  - {{name: dune, listen: [\"{}:80\"], bait: bait1, address: {}:9000}}\n", testbed::kProxyOutside,
                    testbed::kHoneypotAddress));
  if (HasFatalFailure()) return;
  const auto said = rig_->attack({rig_->program("xdune"), "--target", std::string(testbed::kProxyOutside) + ":80",
                                  "--payload", "findsock", "--seed", "4"});
  ASSERT_TRUE(said) << said.error().message;
  const auto tries = static_cast<size_t>(std::ranges::count(*said, '\n'));
  const auto sessions = rig_->sessions(tries);
  ASSERT_TRUE(sessions) << sessions.error().message;
  size_t attacks = 0;
  for (const archive::SessionSummary& session : *sessions) {
    expect_forwarded_and_tagged(session);
    // A try that missed crashed the serving process.
    EXPECT_TRUE(session.session_class == SessionClass::attack || session.session_class == SessionClass::suspect)
        << to_string(session.session_class);
    attacks += session.session_class == SessionClass::attack ? 1 : 0;
  }
  EXPECT_EQ(sessions->size(), tries);
  EXPECT_EQ(attacks, 1U);
  expect_scan_agrees(*sessions);
}

TEST_F(NewAttacksTest, ATraversalThatNobodyHasSeenReachesTheBaitAndIsAnAttack) {
  const Rig names(RigOptions{});
  const std::string site = folder_.path() + "/site";
  ASSERT_TRUE(make_directories(site + "/pages"));
  ASSERT_TRUE(write_file(site + "/pages/index", "a page"));
  start(fmt::format("  - {{name: files, command: [{}, \"{}:9000\", {}], port: 9000}}\n", names.program("file_server"),
                    testbed::kHoneypotAddress, site),
        fmt::format("  - {{name: files, listen: [\"{}:80\"], bait: bait1, address: {}:9000}}\n", testbed::kProxyOutside,
                    testbed::kHoneypotAddress));
  if (HasFatalFailure()) return;
  const auto ask = [&](const std::string& name) {
    return rig_->attack({rig_->program("dialogue"), std::string(testbed::kProxyOutside) + ":80",
                         "get " + name + " HTTP/1.0\\r\\n\\r\\n"});
  };
  ASSERT_TRUE(ask("index"));
  ASSERT_TRUE(ask("../../../../../../../etc/passwd"));
  ASSERT_TRUE(ask("../../../../../../../etc/shadow"));
  // The filter is on: what is known comes no further, and nobody answers.
  EXPECT_FALSE(ask("/scripts/..%255c../winnt/system32/cmd.exe?/c+dir"));
  const auto sessions = rig_->sessions(4);
  ASSERT_TRUE(sessions) << sessions.error().message;
  ASSERT_EQ(sessions->size(), 4U);
  EXPECT_EQ((*sessions)[0].session_class, SessionClass::harmless);
  EXPECT_TRUE((*sessions)[0].rule_hits.empty());
  expect_forwarded_and_tagged((*sessions)[1]);
  expect_forwarded_and_tagged((*sessions)[2]);
  EXPECT_EQ((*sessions)[2].session_class, SessionClass::attack);
  EXPECT_EQ((*sessions)[3].session_class, SessionClass::known);
  EXPECT_EQ((*sessions)[3].forwarded_in, 0U);
  expect_scan_agrees(*sessions);
}

}  // namespace
}  // namespace skep::harness
