// The demo and its variants, as a user would run them.
#include "harness/rig.h"

namespace skep::harness {
namespace {

struct Variant {
  const char* description;
  std::vector<std::string> words;
};

TEST(DemoTest, EveryVariantTagsExactlyTheRightSessions) {
  if (const std::string why = Rig::missing(); !why.empty()) GTEST_SKIP() << why;
  const Rig rig{RigOptions{}};
  const Variant variants[] = {
      {"the attack", {"--seed", "11"}},
      {"no attack: nothing is tagged", {"--seed", "12", "--no-attack"}},
      {"observe: the shell opens, the log holds the conversation", {"--seed", "13", "--observe"}},
      {"cut: the session ends on its alert", {"--seed", "14", "--cut"}},
      {"four attackers at once", {"--seed", "15", "--attackers", "4"}}};
  for (const Variant& variant : variants) {
    std::vector<std::string> command = {rig.program("skep"), "demo"};
    command.insert(command.end(), variant.words.begin(), variant.words.end());
    auto folder = Folder::make();
    ASSERT_TRUE(folder);
    const auto run = testbed::run_to_end(command, {{}, folder->path() + "/out", {}}, 120'000);
    EXPECT_TRUE(run) << variant.description << ": " << (run ? "" : run.error().message);
  }
}

}  // namespace
}  // namespace skep::harness
