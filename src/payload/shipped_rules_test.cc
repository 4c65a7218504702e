// deploy/rules: every rule loads, and its page says what it is.
#include <gtest/gtest.h>

#include <map>

#include "base/doc_page.h"
#include "payload/rule_files.h"

namespace skep::payload {
namespace {

RuleFiles shipped() {
  auto files = read_rule_files({std::string(SKEP_SOURCE_DIR) + "/deploy/rules/*.rules"}, {});
  return files ? std::move(*files) : RuleFiles{};
}

std::string class_of(const GivenRule& each) {
  return each.rule.message.substr(0, each.rule.message.find(": "));
}

TEST(ShippedRulesTest, EveryRuleLoads) {
  RuleFiles files = shipped();
  ASSERT_FALSE(files.files.empty());
  for (const formats::RuleFile& file : files.files) {
    for (const auto* aside : {&file.refused, &file.not_applicable}) {
      for (const formats::RuleSetAside& each : *aside) ADD_FAILURE() << words_of(file, each);
    }
  }
  const auto set = RuleSet::make(std::move(files.rules), {});
  ASSERT_TRUE(set) << set.error().message;
  for (const RuleRefused& each : (*set)->refused()) ADD_FAILURE() << words_of(**set, each);
}

TEST(ShippedRulesTest, TheirPageNamesEachWithItsClassAndGrade) {
  struct Row {
    std::string name, grade;
    uint32_t last = 0;
    size_t rules = 0;
  };
  std::map<uint32_t, Row> rows;  // by the first sid
  for (const auto& cells : table_rows(source_text("deploy/rules/README.md"))) {
    ASSERT_EQ(cells.size(), 4U);
    const auto sids = split(cells[1], '-');
    ASSERT_EQ(sids.size(), 2U) << cells[1];
    std::string name = cells[0];
    std::erase(name, '`');
    rows[static_cast<uint32_t>(std::stoul(std::string(sids[0])))] = {
        name, cells[2], static_cast<uint32_t>(std::stoul(std::string(sids[1])))};
  }
  ASSERT_FALSE(rows.empty());
  const RuleFiles files = shipped();
  for (const GivenRule& each : files.rules) {
    SCOPED_TRACE(each.rule.sid);
    EXPECT_GT(each.rule.rev, 0U);
    auto row = rows.upper_bound(each.rule.sid);
    ASSERT_NE(row, rows.begin());
    --row;
    ++row->second.rules;
    EXPECT_LE(each.rule.sid, row->second.last);
    EXPECT_EQ(class_of(each), row->second.name);
    EXPECT_EQ(each.grading.grade == formats::RuleGrade::specific ? "specific" : "generic", row->second.grade);
  }
  for (const auto& [first, row] : rows) EXPECT_EQ(row.rules, row.last - first + 1) << row.name;
}

}  // namespace
}  // namespace skep::payload
