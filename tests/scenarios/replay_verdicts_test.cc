// The demo's attack, recorded once and sent again by `skep replay`: to the bait, to the repaired server with and
// without a monitor, to what is not there and what must not be replayed to; its smallest form; and what the filter of
// today makes of it.
#include <sys/socket.h>

#include <algorithm>
#include <cmath>
#include <iostream>

#include "base/file.h"
#include "base/text.h"
#include "harness/hosts.h"
#include "harness/rig.h"
#include "replay/minimal_file.h"

namespace skep::harness {
namespace {

constexpr int kReplayMs = 300'000;

class ReplayVerdictsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    const Rig names(RigOptions{});
    const auto service = [&](std::string_view name, std::string_view program, int port) {
      return fmt::format("  - {{name: {0}, command: [{1}, {2}, \"{3}\"], port: {3}, address_randomisation: false}}\n",
                         name, names.program(std::string(program)), testbed::kHoneypotAddress, port);
    };
    RigOptions options;
    options.services_monitor = service("web", "dune2004", 9000) + service("repaired", "dune2004_repaired", 9001) +
                               service("shifting", "dune2004_shifting", 9005) +
                               fmt::format("  - {{name: files, command: [{}, \"{}:9004\", {}], port: 9004}}\n",
                                           names.program("file_server"), testbed::kHoneypotAddress, site_.path());
    options.services_proxy = fmt::format(
        "  - {{name: web, listen: [\"{0}:80\"], bait: bait1, address: {1}:9000}}\n"
        "  - {{name: files, listen: [\"{0}:81\"], bait: bait1, address: {1}:9004}}\n"
        "  - {{name: shifting, listen: [\"{0}:82\"], bait: bait1, address: {1}:9005}}\n",
        testbed::kProxyOutside, testbed::kHoneypotAddress);
    options.proxy_more = fmt::format(
        "replay: {{per_second: 1000, targets: [{{net: {}, ports: \"9000-9009\", owner: \"this test\"}}]}}\n",
        testbed::kHoneypotAddress);
    rig_.emplace(options);
    const auto started = rig_->start();
    ASSERT_TRUE(started) << started.error().message << rig_->log("monitor");
    // Nobody watches this one.
    auto unwatched = testbed::Process::start({rig_->program("dune2004_repaired"), testbed::kHoneypotAddress, "9002"},
                                             {rig_->network().honeypot(), {}, {}});
    ASSERT_TRUE(unwatched) << unwatched.error().message;
    unwatched_.emplace(std::move(*unwatched));
  }

  // The id of the session in which xdune hit.
  std::string record(const std::string& payload, int port = 80) {
    const auto said =
        rig_->attack({rig_->program("xdune"), "--target", fmt::format("{}:{}", testbed::kProxyOutside, port),
                      "--payload", payload, "--seed", "4"});
    EXPECT_TRUE(said) << said.error().message;
    const auto tries = static_cast<size_t>(std::ranges::count(said.value_or(""), '\n'));
    const auto sessions = rig_->sessions(tries);
    EXPECT_TRUE(sessions) << sessions.error().message;
    for (const archive::SessionSummary& session : *sessions) {
      if (session.session_class == SessionClass::attack) return to_string(session.id);
    }
    ADD_FAILURE() << "no session was an attack";
    return {};
  }

  // On the proxy's host, with its options.
  Rig::Said replay(std::vector<std::string> words) {
    std::vector<std::string> command = {rig_->program("skep"), "replay", "--config", rig_->file("proxy.yaml")};
    command.insert(command.end(), words.begin(), words.end());
    auto process =
        testbed::Process::start(command, {rig_->network().proxy(), rig_->file("replay.err"), rig_->file("replay.out")});
    if (!process) return {-1, process.error().message};
    const auto status = process->await_end(kReplayMs);
    return {status ? WEXITSTATUS(*status) : -1, read_file(rig_->file("replay.out")).value_or("")};
  }
  static std::string at(int port) { return fmt::format("{}:{}", testbed::kHoneypotAddress, port); }
  static std::string last_line(const Rig::Said& said) {
    const std::string_view text = trim(said.text);
    return std::string(text.substr(text.rfind('\n') + 1));
  }
  void expect_verdict(const Rig::Said& said, const std::string& verdict, int code) {
    EXPECT_EQ(said.code, code) << said.text << read_file(rig_->file("replay.err")).value_or("");
    EXPECT_NE(last_line(said).find("\"verdict\":" + verdict), std::string::npos) << said.text;
  }

  // A session of the file server; whoever it was has said all that it has to say.
  void ask_for(std::string_view text) {
    const auto socket = connect_from(rig_->network().attacker(), std::string(testbed::kProxyOutside) + ":81");
    ASSERT_TRUE(socket) << socket.error().message;
    send_text(*socket, text);
    ::shutdown(socket->get(), SHUT_WR);
    receive_all(*socket);
    ++asked_;
  }
  // Of the sessions of the file server, those that raised this alert.
  std::vector<archive::SessionSummary> raised(const std::string& rule) {
    const auto all = rig_->sessions(asked_);
    EXPECT_TRUE(all) << all.error().message;
    std::vector<archive::SessionSummary> found = all.value_or(std::vector<archive::SessionSummary>{});
    std::erase_if(found, [&](const archive::SessionSummary& session) {
      return std::ranges::none_of(session.alerts, [&](const Alert& alert) { return alert.rule == rule; });
    });
    return found;
  }
  // What of the request is left, by `--minimise`.
  std::string smallest(const std::string& id, const std::string& request) {
    const auto said = replay({id, "--minimise", "--json"});
    EXPECT_EQ(said.code, 0) << said.text << read_file(rig_->file("replay.err")).value_or("");
    EXPECT_NE(said.text.find("\"whole\":true"), std::string::npos) << said.text;
    constexpr std::string_view kKept = "\"kept\":\"";
    const size_t at = said.text.find(kKept) + kKept.size();
    std::string left;
    const auto places = replay::parse_places(said.text.substr(at, said.text.find('"', at) - at));
    for (const replay::Place& place : places.value_or(std::vector<replay::Place>{}))
      left += request.substr(place.offset, place.bytes);
    return left;
  }

  Folder site_ = *Folder::make_for_programs();
  std::optional<Rig> rig_;
  std::optional<testbed::Process> unwatched_;
  size_t asked_ = 0;
};

TEST_F(ReplayVerdictsTest, TheDemosAttackIsConfirmedOnTheBaitAndTheRepairedServerIsNotVulnerable) {
  for (const std::string payload : {"bind", "findsock"}) {
    const std::string id = record(payload);
    ASSERT_FALSE(HasFailure());
    const auto bait = replay({id, "--target", at(9000), "--json", "--times", "5"});
    expect_verdict(bait, "\"confirmed\",\"reason\":null", 0);
    EXPECT_NE(last_line(bait).find("\"positive_control\":{\"tries\":5,\"passed\":5}"), std::string::npos) << bait.text;
    expect_verdict(replay({id, "--target", at(9001), "--json"}), "\"not-vulnerable\",\"reason\":null", 1);
    expect_verdict(replay({id, "--target", at(9002), "--json"}), "\"not-vulnerable\",\"reason\":null", 1);
    expect_verdict(replay({id, "--target", at(9003), "--json"}), "\"inconclusive\",\"reason\":\"NO_CONNECT\"", 1);
  }
}

// On this bait it hits every other time: its rate says how often the repaired server must be asked.
TEST_F(ReplayVerdictsTest, AnAttackThatSucceedsNowAndThenIsTriedSoOftenThatNothingMeansSomething) {
  const std::string id = record("bind", 82);
  ASSERT_FALSE(HasFailure());
  const auto bait = replay({id, "--target", at(9005), "--json", "--times", "20"});
  expect_verdict(bait, "\"confirmed\",\"reason\":null", 0);
  const unsigned hits = number_in(last_line(bait), "passed");
  EXPECT_GT(hits, 0u);
  EXPECT_LT(hits, 20u) << last_line(bait);
  const auto repaired = replay({id, "--target", at(9001), "--json"});
  expect_verdict(repaired, "\"not-vulnerable\",\"reason\":null", 1);
  const auto passed = number_in(last_line(repaired), "passed");
  const size_t control = last_line(repaired).find("\"positive_control\":");
  ASSERT_NE(control, std::string::npos) << last_line(repaired);
  const auto tries = number_in(last_line(repaired).substr(control), "tries");
  const double rate = static_cast<double>(passed) / tries;
  size_t asked = 0;
  for (size_t found = repaired.text.find("\"part\":\"target\""); found != std::string::npos;
       found = repaired.text.find("\"part\":\"target\"", found + 1))
    ++asked;
  EXPECT_LE(std::pow(1 - rate, asked), 0.01) << last_line(repaired);
  const auto once = replay({id, "--target", at(9001), "--json", "--times", "1"});
  EXPECT_EQ(last_line(once).find("not-vulnerable"), std::string::npos) << once.text;
}

TEST_F(ReplayVerdictsTest, TheSmallestAttackIsFoundAndShown) {
  const std::string id = record("bind");
  ASSERT_FALSE(HasFailure());
  const auto said = replay({id, "--minimise", "--json"});
  EXPECT_EQ(said.code, 0) << said.text << read_file(rig_->file("replay.err")).value_or("");
  std::cout << said.text.substr(0, said.text.find(",\"kept\"")) << "\n";
  EXPECT_NE(said.text.find("\"whole\":true"), std::string::npos) << said.text;
  const unsigned bytes = number_in(said.text, "bytes"), needed = number_in(said.text, "bytes_needed");
  EXPECT_GT(needed, 50u);  // the payload and the address, at least
  EXPECT_LT(needed, bytes);
  EXPECT_LT(bytes, number_in(said.text, "of_bytes"));
  const auto shown = rig_->skep({"session", "show", id});
  EXPECT_NE(shown.text.find("the smallest attack"), std::string::npos) << shown.text;
  EXPECT_NE(shown.text.find("needed"), std::string::npos) << shown.text;
}

// Looked at without replay: what is left raises the alert, and whatever range of bytes is taken out of it, it does not.
TEST_F(ReplayVerdictsTest, OfTheSmallestAttackNoRangeCanBeDropped) {
  struct Row {
    std::string request, rule, left;
  };
  for (const Row& row : {Row{"run   /bin/sh and more of it\r\nHost: somebody\r\n\r\n", "shell_started", "run /bin/sh"},
                         Row{"bind 4444 or any other\r\n\r\n", "foreign_port", ""}}) {
    ask_for(row.request);
    const auto attacks = raised(row.rule);
    ASSERT_EQ(attacks.size(), 1u) << row.request;
    const std::string left = smallest(to_string(attacks[0].id), row.request);
    ASSERT_FALSE(left.empty());
    if (!row.left.empty()) {
      EXPECT_EQ(left, row.left);
    }
    ask_for(left);
    EXPECT_EQ(raised(row.rule).size(), 2u) << left;
    for (size_t from = 0; from < left.size(); ++from) {
      for (size_t bytes = 1; from + bytes <= left.size(); ++bytes) {
        std::string without = left;
        without.erase(from, bytes);
        if (!without.empty()) ask_for(without);
      }
    }
    EXPECT_EQ(raised(row.rule).size(), 2u) << left;
  }
}

// The paper's use: everything suspicious, one after the other, with a report that can be gone on with.
TEST_F(ReplayVerdictsTest, AllAttacksGoToAllTargetsAndAReportIsGoneOnWith) {
  record("bind");
  record("findsock");
  ASSERT_FALSE(HasFailure());
  ASSERT_TRUE(write_file(rig_->file("targets"), fmt::format("{} # the bait\n{}\n", at(9000), at(9001))));
  const std::vector<std::string> words = {
      "--class", "attack", "--targets", rig_->file("targets"), "--report", rig_->file("report"), "--json"};
  EXPECT_EQ(replay(words).code, 1);  // of the repaired server it is not confirmed
  const std::string report = read_file(rig_->file("report")).value_or("");
  EXPECT_EQ(std::ranges::count(report, '\n'), 4) << report;
  const auto count = [&](std::string_view verdict) {
    size_t found = 0;
    for (size_t at = report.find(verdict); at != std::string::npos; at = report.find(verdict, at + 1)) ++found;
    return found;
  };
  EXPECT_EQ(count("\"verdict\":\"confirmed\""), 2u) << report;
  EXPECT_EQ(count("\"verdict\":\"not-vulnerable\""), 2u) << report;
  EXPECT_EQ(replay(words).text, "") << "all of it is in the report already";
  EXPECT_EQ(read_file(rig_->file("report")).value_or(""), report);
}

TEST_F(ReplayVerdictsTest, WhetherTodaysRulesStopWhatWasSeenIsTried) {
  const std::string id = record("bind");
  ASSERT_FALSE(HasFailure());
  const auto before = replay({id, "--through-filter", "--json"});
  EXPECT_EQ(before.code, 1) << before.text;
  EXPECT_NE(before.text.find("\"stopped\":false"), std::string::npos) << before.text;
  EXPECT_NE(before.text.find("\"class\":\"attack\""), std::string::npos) << before.text;
  ASSERT_TRUE(write_file(rig_->file("dune.rules"),
                         "alert tcp any any -> any any (msg:\"dune\"; content:\"POST /dune\"; depth:10; "
                         "flow:established,to_server; classtype:attempted-admin; reference:cve,2004-0000; sid:9000001; "
                         "rev:1;)\n"));
  const std::string options = read_file(rig_->file("proxy.yaml")).value_or("");
  ASSERT_TRUE(write_file(rig_->file("proxy.yaml"),
                         options + fmt::format("filter: {{rules: [{}]}}\n", rig_->file("dune.rules"))));
  EXPECT_EQ(rig_->skep({"reload"}).code, 0) << rig_->log("proxy");
  const auto after = replay({id, "--through-filter", "--json"});
  EXPECT_EQ(after.code, 0) << after.text << read_file(rig_->file("replay.err")).value_or("");
  EXPECT_NE(after.text.find("\"stopped\":true"), std::string::npos) << after.text;
  EXPECT_NE(after.text.find("\"sid\":9000001"), std::string::npos) << after.text;
}

TEST_F(ReplayVerdictsTest, APlanIsPrintedAndNothingSent) {
  const std::string id = record("bind");
  ASSERT_FALSE(HasFailure());
  const auto sessions = rig_->sessions(0);
  ASSERT_TRUE(sessions);
  const auto said = replay({id, "--target", at(9001), "--dry-run", "--explain"});
  EXPECT_EQ(said.code, 0);
  EXPECT_NE(said.text.find("echoes"), std::string::npos) << said.text;
  EXPECT_NE(said.text.find("as-recorded"), std::string::npos) << said.text;
  EXPECT_EQ(rig_->sessions(0)->size(), sessions->size());
}

TEST_F(ReplayVerdictsTest, WhoIsInNoListIsNotReplayedTo) {
  const std::string id = record("bind");
  ASSERT_FALSE(HasFailure());
  EXPECT_EQ(replay({id, "--target", at(22), "--json"}).code, 2);
  EXPECT_NE(read_file(rig_->file("replay.err"))->find("owner"), std::string::npos);
  EXPECT_EQ(replay({id, "--target", "192.0.2.1:80"}).code, 2);
  EXPECT_EQ(replay({"20000101T000000000000-000", "--target", at(9001)}).code, 2);
}

}  // namespace
}  // namespace skep::harness
