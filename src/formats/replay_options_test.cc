#include "formats/replay_options.h"

#include <gtest/gtest.h>

namespace skep::formats {
namespace {

TEST(ReplayOptionsTest, AListNamesNetworksPortsAndOwners) {
  for (const std::string text : {"targets:\n  - {net: 10.99.0.0/24, ports: \"8000-8099\", owner: lab}\nper_second: 3\n",
                                 "replay:\n  targets: [{net: 10.99.0.0/24, ports: \"8000-8099\", owner: lab}]\n"
                                 "  per_second: 3\n"}) {
    const auto options = parse_replay_options("t.yaml", text);
    ASSERT_TRUE(options) << options.error().message;
    ASSERT_EQ(options->targets.size(), 1u);
    EXPECT_EQ(options->per_second, 3u);
    const ReplayTargets& targets = options->targets.front();
    EXPECT_EQ(targets.owner, "lab");
    EXPECT_TRUE(targets.contains(*parse_endpoint("10.99.0.3:8000")));
    EXPECT_TRUE(targets.contains(*parse_endpoint("10.99.0.255:8099")));
    EXPECT_FALSE(targets.contains(*parse_endpoint("10.99.0.3:8100")));
    EXPECT_FALSE(targets.contains(*parse_endpoint("10.99.1.3:8000")));
    EXPECT_FALSE(targets.contains(*parse_endpoint("[fd00::1]:8000")));
  }
}

TEST(ReplayOptionsTest, WithoutPortsAnyPortIsMeant) {
  const auto options = parse_replay_options("t.yaml", "targets: [{net: \"fd00::/8\", owner: lab}]");
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_TRUE(options->targets.front().contains(*parse_endpoint("[fd00::1]:1")));
  EXPECT_TRUE(options->targets.front().contains(*parse_endpoint("[fd00::1]:65535")));
}

TEST(ReplayOptionsTest, WhatIsWrongIsSaidWithItsPlace) {
  struct Row {
    const char* text;
    const char* words;
  };
  for (const Row& row :
       {Row{"targets: [{net: 10.0.0.0/8}]", "owner"}, Row{"targets: [{net: ten, owner: x}]", "no address"},
        Row{"targets: [{net: 10.0.0.0/8, owner: \"  \"}]", "is empty"},
        Row{"targets: [{net: 10.0.0.0/8, owner: x, ports: \"9-1\"}]", "range"},
        Row{"targets: [{net: 10.0.0.0/8, owner: x, ports: \"0\"}]", "range"},
        Row{"targets: [{net: 10.0.0.0/8, owner: x, port: 1}]", "port"}, Row{"per_second: 0", "per_second"},
        Row{"replay: {}\nother: 1", "nothing else"}, Row{"- a", "map"}}) {
    const auto options = parse_replay_options("t.yaml", row.text);
    ASSERT_FALSE(options) << row.text;
    EXPECT_NE(options.error().message.find(row.words), std::string::npos) << options.error().message;
    EXPECT_NE(options.error().message.find("t.yaml:"), std::string::npos) << options.error().message;
  }
}

}  // namespace
}  // namespace skep::formats
