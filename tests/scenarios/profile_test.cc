// What a service has never done before: learned from ordinary sessions, held, and then every one that makes the service
// do something else is told to be suspect; ordinary ones are not. A day's sessions come here within seconds: what a
// profile knows is what was done, not when.
#include <map>

#include "base/file.h"
#include "base/text.h"
#include "formats/profile_file.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

constexpr size_t kOrdinary = 400;  // sessions of a day, compressed
constexpr size_t kPages = 24;      // more than a profile names one by one

class ProfileTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    auto folder = Folder::make();
    ASSERT_TRUE(folder);
    site_.emplace(std::move(*folder));
    for (const char* name : {"pages", "pages/help", "uploads", "uploads/other", "vault"})
      ASSERT_TRUE(make_directories(place(name), 0755));
    for (size_t i = 0; i < kPages; ++i) ASSERT_TRUE(write_file(place(fmt::format("pages/help/{}", i)), page(i)));
    for (const char* name : {"pages/index", "pages/prices", "pages/terms"})
      ASSERT_TRUE(write_file(place(name), std::string(name)));
    ASSERT_TRUE(write_file(place("vault/ledger"), "what nobody was to read"));
  }
  std::string place(const std::string& name) const { return site_->path() + "/" + name; }
  static std::string page(size_t i) { return fmt::format("page {} of the manual", i); }

  void start(const std::string& service_more = "") {
    RigOptions options;
    const Rig names(options);
    options.services_monitor = fmt::format(
        "  - {{name: site, command: [{}, \"{}:9000\", {}], port: 9000, app_groups: [tools], "
        "outgoing: {{allow: [{{net: 10.99.0.2, ports: [9]}}]}}{}}}\n",
        names.program("file_server"), testbed::kHoneypotAddress, site_->path(), service_more);
    options.services_proxy = fmt::format("  - {{name: site, listen: [\"{}:90\"], bait: bait1, address: {}:9000}}\n",
                                         testbed::kProxyOutside, testbed::kHoneypotAddress);
    options.monitor_more = "app_groups: [{name: tools, programs: [/bin/true, /bin/false]}]";
    rig_.emplace(options);
    const auto started = rig_->start();
    ASSERT_TRUE(started) << started.error().message;
  }

  // Several hundred sessions, no two neighbours alike: pages, uploads, a program of the group.
  void hold_an_ordinary_day() {
    std::vector<std::string> words = {rig_->program("dialogue"),
                                      "--sessions",
                                      std::to_string(kOrdinary),
                                      "--at-once",
                                      "8",
                                      std::string(testbed::kProxyOutside) + ":90"};
    for (size_t i = 0; i < kPages; ++i) words.push_back(fmt::format("get help/{}\\n", i));
    for (const char* what : {"get index", "get prices", "get terms", "get missing", "put note words",
                             "put other-note more", "run /bin/true", "help"})
      words.push_back(std::string(what) + "\\n");
    const auto said = rig_->attack(words);
    ASSERT_TRUE(said) << said.error().message << rig_->log("monitor");
    EXPECT_NE(said->find(page(kPages - 1)), std::string::npos);
    EXPECT_NE(said->find("ended with 0"), std::string::npos);
    sessions_ += kOrdinary;
  }
  std::pair<std::string, archive::SessionSummary> ask(const std::string& request) {
    const auto said =
        rig_->attack({rig_->program("dialogue"), std::string(testbed::kProxyOutside) + ":90", request + "\\n"});
    EXPECT_TRUE(said) << said.error().message << rig_->log("monitor");
    const auto all = rig_->sessions(++sessions_);
    EXPECT_TRUE(all) << all.error().message;
    if (!said || !all) return {};
    return {*said, all->back()};
  }
  std::map<SessionClass, size_t> classes() {
    std::map<SessionClass, size_t> counts;
    const auto all = rig_->sessions(sessions_, 120'000);
    EXPECT_TRUE(all) << all.error().message;
    if (!all) return counts;
    for (const archive::SessionSummary& session : *all) {
      ++counts[session.session_class];
      if (session.session_class == SessionClass::harmless) continue;
      for (const Alert& alert : session.alerts) told_ += fmt::format("{} {}\n", alert.rule, alert.arguments);
    }
    return counts;
  }
  int hids(std::vector<std::string> words) {
    words.insert(words.begin(), "hids");
    const auto said = rig_->skep(words);
    text_ = said.text;
    complaint_ = read_file(rig_->file("skep.err")).value_or("");
    return said.code;
  }
  // The profile of one ordinary day, in force.
  void learn_and_hold() {
    ASSERT_EQ(hids({"learn", "site", "--start"}), 0) << complaint_;
    ASSERT_NO_FATAL_FAILURE(hold_an_ordinary_day());
    ASSERT_EQ(classes()[SessionClass::harmless], kOrdinary) << told_;
    ASSERT_EQ(hids({"learn", "site", "--stop", "-o", rig_->file("site.yaml")}), 0) << complaint_;
    ASSERT_EQ(number_in(text_, "sessions"), kOrdinary);
    ASSERT_EQ(hids({"profile", "set", "site", rig_->file("site.yaml")}), 0) << complaint_;
    ASSERT_NE(text_.find("\"profile\":\"held\""), std::string::npos) << text_;
  }

  std::optional<Folder> site_;
  std::optional<Rig> rig_;
  size_t sessions_ = 0;
  std::string text_;
  std::string complaint_;
  std::string told_;
};

TEST_F(ProfileTest, ADisclosureThatNoRuleNamesMakesItsSessionSuspectAndOrdinaryOnesStayHarmless) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_NO_FATAL_FAILURE(learn_and_hold());
  const auto profile = formats::parse_profile_file("site.yaml", read_file(rig_->file("site.yaml")).value_or(""));
  ASSERT_TRUE(profile) << profile.error().message;
  EXPECT_EQ(profile->folders_read, std::vector<std::string>{place("pages/help")});
  EXPECT_EQ(profile->folders_written, std::vector<std::string>{place("uploads")});
  ASSERT_FALSE(profile->programs.empty());
  EXPECT_NE(std::find(profile->files_read.begin(), profile->files_read.end(), place("pages/terms")),
            profile->files_read.end());

  const auto [answer, session] = ask("get ../vault/ledger");
  EXPECT_NE(answer.find("what nobody was to read"), std::string::npos) << answer;
  EXPECT_EQ(session.session_class, SessionClass::suspect);
  ASSERT_EQ(session.alerts.size(), 1u);
  EXPECT_EQ(session.alerts[0].rule, "never_seen_before");
  EXPECT_EQ(session.alerts[0].arguments, "file_read " + place("vault/ledger"));
  EXPECT_EQ(session.alerts[0].action, AlertAction::observed);
  EXPECT_EQ(session.alerts[0].confidence, Confidence::exact);

  ASSERT_NO_FATAL_FAILURE(hold_an_ordinary_day());
  const auto counts = classes();
  EXPECT_EQ(counts.count(SessionClass::attack), 0u) << told_;
  EXPECT_EQ(counts.at(SessionClass::suspect), 1u) << told_;
  EXPECT_EQ(counts.at(SessionClass::harmless), 2 * kOrdinary) << told_;
}

TEST_F(ProfileTest, EachKindOfWhatWasNeverDoneAdds) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_NO_FATAL_FAILURE(learn_and_hold());
  // Each kind alone, and nothing refused, so that it happens.
  const std::string kinds[] = {"program", "port", "peer", "folder_written", "file_read", "call"};
  std::string set = "signatures:\n";
  for (const std::string& kind : kinds)
    set += fmt::format(
        "  - {{signature: new_{}, kind: evidence, by: session, weights: [{{when: \"evt.type = first_seen and "
        "evt.kind = {}\", add: 10}}], levels: [{{at: 10, class: suspect}}]}}\n",
        kind, kind);
  ASSERT_TRUE(write_file(rig_->file("set.yaml"), set));
  ASSERT_EQ(hids({"signatures", "set", rig_->file("set.yaml")}), 0) << complaint_;
  const struct {
    const char* description;
    std::string request;
    std::string rule;
    std::string arguments;
  } rows[] = {
      {"a program of the group that nobody ever ran", "run /bin/false", "new_program", "program /usr/bin/false"},
      {"a port", "bind 4444", "new_port", "port 4444"},
      {"a port that the kernel might have chosen", "bind 40404", "new_port", "port of the kernel's choice"},
      {"an address", "visit 10.99.0.2:9", "new_peer", "peer 10.99.0.2"},
      {"a folder", "put other/note words", "new_folder_written", "folder_written " + place("uploads/other")},
      {"a file", "get ../vault/ledger", "new_file_read", "file_read " + place("vault/ledger")},
      {"a call", "nice", "new_call", "call getpriority"},
  };
  for (const auto& row : rows) {
    const auto [answer, session] = ask(row.request);
    EXPECT_EQ(session.session_class, SessionClass::suspect) << row.description << ": " << answer;
    bool found = false;
    for (const Alert& alert : session.alerts) {
      told_ += fmt::format("{}: {} {}\n", row.description, alert.rule, alert.arguments);
      found = found || (alert.rule == row.rule && alert.arguments == row.arguments);
    }
    EXPECT_TRUE(found) << row.description << "\n" << told_;
  }
  const auto [answer, session] = ask("get terms");
  EXPECT_EQ(session.session_class, SessionClass::harmless) << answer;
}

TEST_F(ProfileTest, WhatIsNoLongerHeldIsNoLongerTold) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_NO_FATAL_FAILURE(learn_and_hold());
  EXPECT_EQ(ask("get ../vault/ledger").second.session_class, SessionClass::suspect);
  ASSERT_EQ(hids({"profile", "remove", "site"}), 0) << complaint_;
  EXPECT_EQ(ask("get ../vault/ledger").second.session_class, SessionClass::harmless);
  EXPECT_EQ(hids({"profile", "remove", "site"}), 2);
  EXPECT_NE(complaint_.find("site is held to no profile"), std::string::npos) << complaint_;
}

TEST_F(ProfileTest, MistakesAreSaidAndLearningEndsByItself) {
  ASSERT_NO_FATAL_FAILURE(start());
  const struct {
    std::vector<std::string> words;
    const char* complaint;
  } rows[] = {
      {{"learn", "sight", "--start"}, "no service is named 'sight'"},
      {{"learn", "site"}, "wants --start or --stop"},
      {{"learn", "site", "--stop"}, "site is not being learned"},
      {{"learn", "site", "--start", "--for", "soon"}, "'soon' is no span"},
      {{"profile", "set", "site", rig_->file("none.yaml")}, "none.yaml"},
      {{"profile", "set", "site", rig_->file("other.yaml")}, "it is the profile of 'other', not of 'site'"},
      {{"profile", "set", "site", rig_->file("wrong.yaml")}, "did you mean 'openat'?"},
  };
  const std::string head = "apiVersion: skep/v1\nkind: ServiceProfile\nservice: ";
  ASSERT_TRUE(write_file(rig_->file("other.yaml"), head + "other\n"));
  ASSERT_TRUE(write_file(rig_->file("wrong.yaml"), head + "site\ncalls: [openatt]\n"));
  for (const auto& row : rows) {
    EXPECT_EQ(hids(row.words), 2) << row.complaint;
    EXPECT_NE(complaint_.find(row.complaint), std::string::npos) << row.complaint << ": " << complaint_;
  }
  ASSERT_EQ(hids({"learn", "site", "--start", "--for", "1s", "--json"}), 0) << complaint_;
  EXPECT_EQ(text_, "{\"service\":\"site\",\"profile\":\"learning\"}\n");
  EXPECT_EQ(hids({"learn", "site", "--start"}), 2);
  EXPECT_TRUE(eventually([&] {
    hids({"services", "list"});
    return text_.find("\"profile\":\"learned\"") != std::string::npos;
  })) << text_;
  ASSERT_EQ(hids({"learn", "site", "--stop"}), 0) << complaint_;
  EXPECT_TRUE(formats::parse_profile_file("stdout", text_)) << text_;
}

// It knows nothing, so that whatever is done for a session is new.
TEST_F(ProfileTest, AProfileOfTheOptionFileIsInForceFromTheStart) {
  ASSERT_TRUE(write_file(place("empty.yaml"), "apiVersion: skep/v1\nkind: ServiceProfile\nservice: site\n"));
  ASSERT_NO_FATAL_FAILURE(start(", profile: " + place("empty.yaml")));
  ASSERT_EQ(hids({"services", "list"}), 0);
  EXPECT_NE(text_.find("\"profile\":\"held\""), std::string::npos) << text_;
  const auto [answer, session] = ask("get terms");
  EXPECT_NE(answer.find("pages/terms"), std::string::npos) << answer;
  EXPECT_EQ(session.session_class, SessionClass::suspect);
}

}  // namespace
}  // namespace skep::harness
