// docs/reference/filter.md held to the code: its file loads, its options are those of the parser with their defaults.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/doc_page.h"
#include "formats/options.h"

namespace skep::formats {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string page() {
  return source_text("docs/reference/filter.md");
}

TEST(FilterPageTest, ItsFileLoads) {
  const auto blocks = fenced_blocks(page(), "yaml");
  ASSERT_FALSE(blocks.empty());
  for (const std::string& block : blocks) {
    const auto options = parse_proxy_options("page", block);
    EXPECT_TRUE(options) << options.error().message << block;
  }
}

TEST(FilterPageTest, ItsOptionsAreKnownAndHaveTheDefaultsOfThePage) {
  ProxyOptions defaults;
  defaults.filter.emplace();
  const std::string effective = effective_yaml(defaults);
  const auto rows = table_rows(section(page(), "Options"));
  EXPECT_EQ(rows.size(), 17u);
  for (const auto& row : rows) {
    const std::string key = row[0].substr(1, row[0].size() - 2);
    const auto options = parse_proxy_options("page", "archive: /a\nservices: []\nfilter: {" + key + ": {x: [y]}}\n");
    const std::string said = options ? "" : options.error().message;
    EXPECT_THAT(said, Not(HasSubstr("unknown key '" + key + "'")));
    if (row[1].empty() || row[1] == "none") continue;
    const std::string value = row[1][0] == '`' ? row[1].substr(1, row[1].size() - 2) : row[1];
    EXPECT_THAT(effective, HasSubstr(fmt::format("{}: {}\n", key, value)));
  }
}

TEST(FilterPageTest, ItsLimitsAreThoseOfTheCode) {
  EXPECT_EQ(kSourceListsMax, 64u);
  EXPECT_THAT(page(), HasSubstr("At most 64 lists"));
}

}  // namespace
}  // namespace skep::formats
