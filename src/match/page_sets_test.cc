// The signature sets of docs/reference/signatures.md: its examples load and pass their own tests, its table of the
// built-in set is that set (SKEP_BLESS=1 writes it anew), and what it says to be covered is covered by a signature
// there is.
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "base/doc_page.h"
#include "match/builtin.h"
#include "match/check.h"

namespace skep::match {
namespace {

constexpr char kPage[] = "docs/reference/signatures.md";
constexpr char kBegin[] = "<!-- generated from src/match/builtin.yaml: SKEP_BLESS=1 match_test writes it -->\n";
constexpr char kEnd[] = "<!-- end of what is generated -->\n";
constexpr size_t kBehaviours = 33;  // of the survey that the set was made after

TEST(PageSetsTest, EveryExampleLoadsAndPassesItsTests) {
  const auto blocks = fenced_blocks(source_text(kPage), "yaml tests");
  EXPECT_EQ(blocks.size(), 3u) << "one a kind";
  for (const std::string& block : blocks) {
    const std::string path = testing::TempDir() + "/example.yaml";
    ASSERT_TRUE(write_file(path, block));
    const auto checked = check_files({path});
    ASSERT_TRUE(checked) << checked.error().message;
    EXPECT_FALSE(checked->tests.empty());
    for (const TestResult& result : checked->tests) {
      for (const std::string& failure : result.failures) ADD_FAILURE() << result.test->name << ": " << failure;
    }
  }
}

formats::SignatureSet builtin() {
  auto set = formats::parse_signature_file(kBuiltinName, std::string(builtin_yaml()));
  EXPECT_TRUE(set) << set.error().message;
  return set ? std::move(*set) : formats::SignatureSet{};
}

std::string action_word(formats::SignatureAction action) {
  static const std::string kWords[] = {"observe", "deny", "kill"};
  return kWords[static_cast<size_t>(action)];
}

std::string deed_of(const formats::Signature& signature) {
  if (signature.kind != formats::SignatureKind::evidence) return action_word(signature.action);
  std::string words;
  for (const formats::EvidenceLevel& level : signature.levels) {
    words += fmt::format("{}at {} {}", words.empty() ? "" : "; ", level.at, level.suspect ? "suspect" : "attack");
    if (level.action != formats::SignatureAction::observe) words += ", " + action_word(level.action);
    if (!level.deny_next.empty()) words += fmt::format(", refuses {}", fmt::join(level.deny_next, " "));
  }
  return words;
}

std::string builtin_table() {
  static const std::string kKinds[] = {"blacklist", "sequence", "evidence"};
  std::string table = "| signature | fires when | action | kind | ATT&CK |\n|---|---|---|---|---|\n";
  for (const formats::Signature& s : builtin().signatures)
    table += fmt::format("| `{}` | {} | {} | {} | {} |\n", s.name, s.description, deed_of(s),
                         kKinds[static_cast<size_t>(s.kind)], fmt::join(s.tags, " "));
  return table;
}

TEST(PageSetsTest, TheTableOfTheBuiltInSetIsTheSet) {
  std::string text = source_text(kPage);
  const size_t begin = text.find(kBegin);
  const size_t end = text.find(kEnd);
  ASSERT_TRUE(begin != std::string::npos && end != std::string::npos && begin < end);
  const size_t from = begin + sizeof kBegin - 1;
  if (std::getenv("SKEP_BLESS") != nullptr) {
    text.replace(from, end - from, builtin_table());
    ASSERT_TRUE(write_file(std::string(SKEP_SOURCE_DIR) + "/" + kPage, text));
    return;
  }
  EXPECT_EQ(text.substr(from, end - from), builtin_table()) << "SKEP_BLESS=1 writes it anew";
}

TEST(PageSetsTest, WhatIsSaidToBeCoveredIsCoveredBySignaturesThereAre) {
  std::set<std::string> known;
  for (const formats::Signature& signature : builtin().signatures) known.insert(signature.name);
  const auto rows = table_rows(section(source_text(kPage), "What is known to be done, and what sees it"));
  ASSERT_EQ(rows.size(), kBehaviours);
  for (const auto& cells : rows) {
    ASSERT_EQ(cells.size(), 3u);
    EXPECT_FALSE(cells[1].empty() && cells[2].empty()) << cells[0];
    for (size_t at = cells[1].find('`'); at != std::string::npos; at = cells[1].find('`', at + 1)) {
      const size_t close = cells[1].find('`', at + 1);
      ASSERT_NE(close, std::string::npos) << cells[0];
      EXPECT_TRUE(known.count(cells[1].substr(at + 1, close - at - 1))) << cells[0] << ": " << cells[1];
      at = close;
    }
  }
}

}  // namespace
}  // namespace skep::match
