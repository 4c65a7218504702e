#include "harness/deed_rig.h"

#include <filesystem>

#include "base/file.h"

namespace skep::harness {

void DeedTest::SetUp() {
  if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
  auto folder = Folder::make_for_programs();
  ASSERT_TRUE(folder) << folder.error().message;
  programs_.emplace(std::move(*folder));
  std::filesystem::copy_file(Rig({}).program("deed_server"), server());
}

void DeedTest::start(const std::string& monitor_more, const std::string& service_more, const std::string& words) {
  RigOptions options;
  options.services_monitor = fmt::format("  - {{name: deeds, command: [{}, \"{}:9000\"{}], port: 9000{}}}\n", server(),
                                         testbed::kHoneypotAddress, words, service_more);
  options.services_proxy = fmt::format("  - {{name: deeds, listen: [\"{}:90\"], bait: bait1, address: {}:9000}}\n",
                                       testbed::kProxyOutside, testbed::kHoneypotAddress);
  options.monitor_more = monitor_more;
  rig_.emplace(options);
  const auto started = rig_->start();
  ASSERT_TRUE(started) << started.error().message;
}

void DeedTest::adopt(const std::string& service_more) {
  const unsigned pid = number_in(rig_->skep({"hids", "services", "list"}).text, "pid");
  ASSERT_EQ(rig_->skep({"hids", "services", "remove", "deeds"}).code, 0);
  ASSERT_TRUE(write_file(rig_->file("adopt.yaml"),
                         fmt::format("- {{name: deeds, pid: {}, port: 9000{}}}\n", pid, service_more)));
  ASSERT_EQ(rig_->skep({"hids", "services", "add", rig_->file("adopt.yaml")}).code, 0)
      << *read_file(rig_->file("skep.err"));
}

std::string DeedTest::answer_to(const std::string& request) {
  const auto said =
      rig_->attack({rig_->program("dialogue"), std::string(testbed::kProxyOutside) + ":90", request + "\\n"});
  EXPECT_TRUE(said) << said.error().message << rig_->log("monitor");
  ++sessions_;
  if (!said) return "";
  const std::string mark = "\"answer\":\"";
  const size_t at = said->find(mark) + mark.size();
  return said->substr(at, said->find("\\u000a", at) - at);
}

std::pair<std::string, archive::SessionSummary> DeedTest::ask(const std::string& request) {
  const std::string answer = answer_to(request);
  const auto all = rig_->sessions(sessions_);
  EXPECT_TRUE(all) << all.error().message;
  if (!all) return {};
  return {answer, all->back()};
}

void DeedTest::set_signatures(const std::string& lines) {
  ASSERT_TRUE(write_file(rig_->file("set.yaml"), "signatures:\n" + lines));
  ASSERT_EQ(rig_->skep({"hids", "signatures", "set", rig_->file("set.yaml")}).code, 0)
      << *read_file(rig_->file("skep.err"));
}

void DeedTest::expect(const DeedRow& row) {
  expect_answer(row);
  expect_sessions();
}

void DeedTest::expect_answer(const DeedRow& row) {
  EXPECT_EQ(answer_to(row.request), row.answer) << row.description;
  answered_.push_back(row);
  answered_.back().request = answered_.back().answer = nullptr;  // they may be gone when the sessions are looked at
}

// One session came after the other, so they are listed in the order of the rows.
void DeedTest::expect_sessions() {
  const auto all = rig_->sessions(sessions_);
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), sessions_);
  const size_t first = sessions_ - answered_.size();
  for (size_t i = 0; i < answered_.size(); ++i) expect_session(answered_[i], (*all)[first + i]);
  answered_.clear();
}

void DeedTest::expect_session(const DeedRow& row, const archive::SessionSummary& session) {
  const bool harmless = *row.rule == '\0';
  EXPECT_EQ(session.session_class, harmless ? SessionClass::harmless : SessionClass::attack) << row.description;
  ASSERT_EQ(session.alerts.size(), harmless ? 0u : 1u)
      << row.description
      << (session.alerts.empty() ? "" : ": " + session.alerts.front().rule + ", " + session.alerts.back().rule);
  if (harmless) return;
  EXPECT_EQ(session.alerts[0].rule, row.rule) << row.description;
  EXPECT_EQ(session.alerts[0].action, row.action) << row.description;
  EXPECT_GE(session.alerts[0].confidence, Confidence::inherited) << row.description;
}

}  // namespace skep::harness
