// Signatures and services changed while a service runs: what is in force changes, the service does not notice.
#include "base/file.h"
#include "base/text.h"
#include "harness/rig.h"

namespace skep::harness {
namespace {

class RuntimeTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
    RigOptions options;
    const Rig names(options);
    options.services_monitor =
        fmt::format("  - {{name: model, command: [{}, --model, fork, \"{}:9000\"], port: 9000}}\n",
                    names.program("model_server"), testbed::kHoneypotAddress);
    options.services_proxy = fmt::format("  - {{name: model, listen: [\"{}:90\"], bait: bait1, address: {}:9000}}\n",
                                         testbed::kProxyOutside, testbed::kHoneypotAddress);
    rig_.emplace(options);
    const auto started = rig_->start();
    ASSERT_TRUE(started) << started.error().message;
  }
  // One bad session; whether it was tagged.
  bool tagged() {
    const auto said = rig_->attack(
        {rig_->program("model_client"), "--sessions", "1", "--bad", "1", std::string(testbed::kProxyOutside) + ":90"});
    EXPECT_TRUE(said) << said.error().message;
    ++sessions_;
    const auto all = rig_->sessions(sessions_);
    EXPECT_TRUE(all) << all.error().message;
    return all->back().session_class == SessionClass::attack;
  }
  std::string service_pid() {
    const std::string text = rig_->skep({"hids", "services", "list"}).text;
    return std::to_string(number_in(text, "pid"));
  }
  std::optional<Rig> rig_;
  size_t sessions_ = 0;
};

TEST_F(RuntimeTest, SignaturesComeAndGoUnderARunningService) {
  const std::string pid = service_pid();
  EXPECT_TRUE(tagged());
  ASSERT_EQ(rig_->skep({"hids", "signatures", "remove", "shell_started", "unlisted_program"}).code, 0);
  EXPECT_FALSE(tagged()) << "what was removed is not in force";
  ASSERT_TRUE(write_file(rig_->file("mine.yaml"),
                         "signatures:\n  - {signature: mine, condition: 'evt.type = execve and proc.name in (sh, "
                         "dash)', action: deny}\n"));
  ASSERT_EQ(rig_->skep({"hids", "signatures", "add", rig_->file("mine.yaml")}).code, 0);
  EXPECT_TRUE(tagged()) << "what was added is";
  EXPECT_EQ(service_pid(), pid) << "the service was not restarted";
}

TEST_F(RuntimeTest, AMistakeLeavesTheOldSetInForce) {
  ASSERT_TRUE(write_file(rig_->file("wrong.yaml"),
                         "signatures:\n  - {signature: wrong, condition: evt.type = openat, action: deny}\n"));
  EXPECT_EQ(rig_->skep({"hids", "signatures", "add", rig_->file("wrong.yaml")}).code, 2);
  EXPECT_NE(read_file(rig_->file("skep.err"))->find("add `intercept: [openat]`"), std::string::npos);
  EXPECT_TRUE(tagged());
}

TEST_F(RuntimeTest, AServiceIsLetGoAndAdoptedWhileItRuns) {
  const std::string pid = service_pid();
  EXPECT_TRUE(tagged());
  ASSERT_EQ(rig_->skep({"hids", "services", "remove", "model"}).code, 0);
  EXPECT_FALSE(tagged()) << "let go: nobody looks";
  ASSERT_TRUE(write_file(rig_->file("adopt.yaml"), fmt::format("- {{name: model, pid: {}, port: 9000}}\n", pid)));
  ASSERT_EQ(rig_->skep({"hids", "services", "add", rig_->file("adopt.yaml")}).code, 0)
      << *read_file(rig_->file("skep.err"));
  EXPECT_TRUE(tagged()) << "adopted: its children are judged again";
}

TEST_F(RuntimeTest, ACommandIsLaunchedOnlyFromTheOptions) {
  ASSERT_TRUE(
      write_file(rig_->file("launch.yaml"), "- {name: evil, command: [/bin/sh, -c, 'touch /tmp/x'], port: 7}\n"));
  EXPECT_EQ(rig_->skep({"hids", "services", "add", rig_->file("launch.yaml")}).code, 2);
  EXPECT_NE(read_file(rig_->file("skep.err"))->find("only from monitor.yaml"), std::string::npos);
}

}  // namespace
}  // namespace skep::harness
