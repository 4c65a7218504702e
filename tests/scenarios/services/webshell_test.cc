// The attack that upload pages invite: one session leaves a PHP file on the server, another calls it, and it wants a
// shell. The shell is refused, and the session that called it is tagged; those who only looked at pages meanwhile are
// not.
#include "base/file.h"
#include "cli/session_text.h"
#include "harness/hosts.h"
#include "services/php_site.h"

namespace skep::harness {
namespace {

constexpr char kShell[] = "<?php echo \"before \"; system(\"id\"); echo \"after\";";
constexpr size_t kVisitors = 40;  // before the upload, before the call, after it
// In the order in which they came.
constexpr size_t kUploader = kVisitors;
constexpr size_t kCaller = 2 * kVisitors + 1;
constexpr size_t kSessions = 3 * kVisitors + 2;

class WebshellTest : public PhpTest {
 protected:
  // One session, one answer.
  std::string say(const std::string& request) {
    auto socket = connect_from(rig_->network().attacker(), kEntrance);
    EXPECT_TRUE(socket) << socket.error().message;
    if (!socket) return "";
    send_text(*socket, request);
    return receive_all(*socket).text;
  }

  void visit_pages() {
    const std::vector<Exchange> asked = {{"a page", get("/page.php?name=bee"), "hello bee, included"},
                                         {"an upload", upload("/upload.php?discard", "a.txt", "a"), "a.txt: 1 bytes"}};
    converse({{kVisitors, true, asked}}, rig_->network().attacker(), kEntrance);
  }

  static void expect_alert(const archive::SessionSummary& session, size_t which, const std::string& rule,
                           AlertRole role) {
    ASSERT_LT(which, session.alerts.size()) << cli::summary_json(session);
    EXPECT_EQ(session.alerts[which].rule, rule) << cli::summary_json(session);
    EXPECT_EQ(session.alerts[which].role, role) << cli::summary_json(session);
    EXPECT_EQ(session.session_class, SessionClass::attack) << cli::summary_json(session);
  }

  static std::string words(std::string text) {
    for (const auto& [from, to] : {std::pair{"\\r", "\r"}, std::pair{"\\n", "\n"}}) {
      for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;) text.replace(at, 2, to);
    }
    return text;
  }
};

TEST_F(WebshellTest, CallerAndWriterAreTaggedAndNoVisitorIs) {
  ASSERT_NO_FATAL_FAILURE(supervise(services()));
  visit_pages();
  EXPECT_NE(say(words(upload("/upload.php", "shell.php", kShell))).find("shell.php: "), std::string::npos);
  visit_pages();
  const std::string answer = say(words(get("/uploads/shell.php")));
  EXPECT_NE(answer.find("before after"), std::string::npos) << answer;
  EXPECT_EQ(answer.find("uid="), std::string::npos) << answer;
  visit_pages();
  const auto all = rig_->sessions(kSessions);
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->size(), kSessions);
  for (size_t i = 0; i < kSessions; ++i) {
    if (i == kUploader || i == kCaller) continue;
    EXPECT_EQ(all->at(i).alerts_total, 0u) << cli::summary_json(all->at(i));
  }
  EXPECT_EQ(all->at(kCaller).alerts_total, 1u) << cli::summary_json(all->at(kCaller));
  expect_alert(all->at(kCaller), 0, "shell_started", AlertRole::starter);
  EXPECT_EQ(all->at(kUploader).alerts_total, 2u) << cli::summary_json(all->at(kUploader));
  expect_alert(all->at(kUploader), 0, "web_script_written", AlertRole::doer);
  expect_alert(all->at(kUploader), 1, "shell_started", AlertRole::writer);
}

}  // namespace
}  // namespace skep::harness
