// docs/reference/services.md held to the code: its files load, its keys are those of the parser, its numbers the
// limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/doc_page.h"
#include "formats/options.h"
#include "formats/proxy_header.h"

namespace skep::formats {
namespace {

using testing::HasSubstr;

std::string page() {
  return source_text("docs/reference/services.md");
}

TEST(ServicesPageTest, EveryFileOnItLoads) {
  const auto blocks = fenced_blocks(page(), "yaml");
  ASSERT_GE(blocks.size(), 5u);
  for (const std::string& block : blocks) {
    const auto options = parse_proxy_options("page", block);
    EXPECT_TRUE(options) << options.error().message << block;
  }
}

// An unknown key is an error that names the nearest known one: of a known key it says anything else, or nothing.
TEST(ServicesPageTest, ItsKeysAreKnown) {
  const auto rows = table_rows(page());
  ASSERT_EQ(rows.size(), 14u);
  for (const auto& row : rows) {
    for (const std::string_view cell : split(row[0], ',')) {
      const std::string key(trim(cell).substr(1, trim(cell).size() - 2));
      const auto options = parse_proxy_options("page", "archive: /a\nservices: [{" + key + ": x}]\n");
      ASSERT_FALSE(options) << key;
      EXPECT_THAT(options.error().message, testing::Not(HasSubstr("unknown key '" + key + "'")));
    }
  }
}

TEST(ServicesPageTest, ItsNumbersAreTheLimits) {
  const ProxyOptions defaults;
  EXPECT_THAT(page(), HasSubstr(fmt::format("sticky_ms: {} ", defaults.sticky_ms)));
  EXPECT_THAT(page(), HasSubstr(fmt::format("sticky_sources_max: {} ", defaults.sticky_sources_max)));
  EXPECT_THAT(page(), HasSubstr(fmt::format("bait_retry_ms: {} ", defaults.bait_retry_ms)));
  EXPECT_THAT(page(), HasSubstr(fmt::format("udp_timeout_ms: {} ", defaults.udp_timeout_ms)));
  EXPECT_THAT(page(), HasSubstr(fmt::format("udp_sessions_max: {} ", defaults.udp_sessions_max)));
  EXPECT_THAT(page(), HasSubstr(fmt::format("timeout_ms: {}}}", BalancerOptions{}.timeout_ms)));
  EXPECT_EQ(kRangePortsMax, 1024);
  EXPECT_EQ(kListenersMax, 4096u);
  EXPECT_EQ(kBaitsAServiceMax, 16u);
  EXPECT_THAT(page(), HasSubstr("at most 1,024 ports, all services together 4,096"));
  EXPECT_THAT(page(), HasSubstr("list of `{bait, address}`, at most 16"));
  EXPECT_THAT(page(), HasSubstr(fmt::format("longer than {} bytes (version 1)", kProxyLineBytesMax)));
  EXPECT_EQ(kProxyHeaderBytesMax, 4096u);
}

}  // namespace
}  // namespace skep::formats
