// The profiles of deploy/services are what operators copy: each loads, with the service named as its file is.
#include <gtest/gtest.h>

#include <filesystem>

#include "harness/profile.h"

namespace skep::harness {
namespace {

TEST(ProfilesTest, EachLoads) {
  size_t number = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SKEP_SOURCE "/deploy/services")) {
    if (entry.path().extension() != ".yaml") continue;
    const auto profile = read_profile(entry.path().stem().string());
    ASSERT_TRUE(profile) << profile.error().message;
    EXPECT_EQ(profile->service.name, entry.path().stem().string());
    EXPECT_FALSE(profile->service.command.empty()) << entry.path();
    ++number;
  }
  EXPECT_GT(number, 0u);
}

}  // namespace
}  // namespace skep::harness
