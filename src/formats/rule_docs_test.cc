// docs/reference/rules.md held to the code.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/doc_page.h"
#include "formats/rule_file.h"
#include "formats/rule_reader.h"

namespace skep::formats {
namespace {

// A cell's code without its backquotes.
std::string code(std::string cell) {
  std::erase(cell, '`');
  return cell;
}

RuleFile parse(const std::string& text) {
  RuleVariables variables = default_rule_variables();
  return parse_rule_file("page", text, variables);
}

class RulesPageTest : public testing::Test {
 protected:
  const std::string page_ = source_text("docs/reference/rules.md");
  // table_rows parts cells at each "|": escaped ones are hidden from it, and shown again.
  std::vector<std::vector<std::string>> options() const {
    std::string text = section(page_, "Options");
    for (size_t at = text.find("\\|"); at != std::string::npos; at = text.find("\\|", at)) text.replace(at, 2, "\x01");
    auto rows = table_rows(text);
    for (auto& row : rows) {
      for (std::string& cell : row) std::replace(cell.begin(), cell.end(), '\x01', '|');
    }
    return rows;
  }
};

TEST_F(RulesPageTest, EveryExampleLoads) {
  for (const auto& row : options()) {
    ASSERT_EQ(row.size(), 3u) << row.at(0);
    const std::string example = code(row[1]);
    EXPECT_NE(example.find(code(row[0])), std::string::npos) << example;
    const RuleFile file = parse("alert tcp any any -> any any (" + example + " sid:9;)");
    EXPECT_EQ(file.rules.size(), 1u) << example << (file.refused.empty() ? "" : file.refused[0].reason);
  }
}

TEST_F(RulesPageTest, EveryOptionIsThere) {
  std::set<std::string> named;
  for (const auto& row : options()) named.insert(code(row.at(0)));
  for (const auto& family : {meta_options(), content_options(), byte_options()}) {
    for (const OptionRow& row : family) EXPECT_TRUE(named.contains(std::string(row.name))) << row.name;
  }
}

TEST_F(RulesPageTest, TheThreeWaysAreOne) {
  const auto blocks = fenced_blocks(page_, "rules");
  ASSERT_EQ(blocks.size(), 1u);
  const RuleFile file = parse(blocks[0]);
  ASSERT_EQ(file.rules.size(), 3u);
  EXPECT_EQ(file.rules[0].rule.options, file.rules[1].rule.options);
  EXPECT_EQ(file.rules[0].rule.options, file.rules[2].rule.options);
}

}  // namespace
}  // namespace skep::formats
