// docs/reference/signatures.md held to the code: its file loads, every field, key, stage, error and limit is as it
// says.
#include <asm/unistd_64.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/doc_page.h"
#include "formats/options.h"
#include "match/automaton.h"
#include "match/compile.h"
#include "match/engine.h"
#include "match/fields.h"
#include "match/intercepts.h"
#include "match/syscalls.h"
#include "model/watch_records.h"

namespace skep::match {
namespace {

using testing::HasSubstr;

const std::string& page() {
  static const std::string text = source_text("docs/reference/signatures.md");
  return text;
}

std::string without_ticks(const std::string& cell) {
  return cell.starts_with('`') && cell.ends_with('`') ? cell.substr(1, cell.size() - 2) : cell;
}

Result<CompiledSet> compile_text(const std::string& text, bool with_adopted = false,
                                 const std::vector<std::string>& intercepts = {}) {
  CompileContext context;
  context.services.push_back({"web", 0, true, intercepts_of(intercepts).value()});
  if (with_adopted) context.services.push_back({"legacy", 1, false, {}});
  context.resolve = resolve_nothing();
  const auto set = formats::parse_signature_file("page.yaml", text);
  if (!set) return tl::unexpected<Error>(set.error());
  return compile({*set}, context);
}

std::string stage_word(int stage) {
  static const std::string kWords[] = {"before", "hook", "exec", "after"};
  return kWords[stage];
}

std::string stage_words(uint8_t stages) {
  std::string words;
  for (int stage = SKEP_STAGE_PRE; stage <= SKEP_STAGE_POST; ++stage) {
    if (stages >> stage & 1) words += (words.empty() ? "" : ", ") + stage_word(stage);
  }
  return words;
}

std::string type_word(ValueType type) {
  switch (type) {
    case ValueType::number:
      return "number";
    case ValueType::truth:
      return "truth";
    case ValueType::name:
      return "name";
    case ValueType::path:
      return "path";
    case ValueType::object:
      return "object";
    case ValueType::folder:
      return "folder";
    case ValueType::kind:
      return "kind";
    case ValueType::network:
      return "network";
    case ValueType::abi:
      return "abi";
    case ValueType::protocol:
      return "protocol";
    case ValueType::character:
      return "character";
    case ValueType::errno_value:
      return "result";
  }
  return "";
}

std::string provenance_word(uint8_t provenance) {
  static const std::string kWords[] = {"register", "kernel", "user"};
  return kWords[provenance];
}

TEST(SignaturePageTest, TheWorkedFileLoadsAndIsJudgedWhereItSays) {
  const auto blocks = fenced_blocks(page(), "yaml");
  ASSERT_EQ(blocks.size(), 1u);
  const auto set = compile_text(blocks[0]);
  ASSERT_TRUE(set) << set.error().message;
  ASSERT_EQ(set->signatures.size(), 3u);
  const skep_table& table = *set->table;
  // Steps lie in the order of the signatures, one a call: two exec, connect, then two dup and two exec.
  const uint8_t stages[] = {SKEP_STAGE_EXEC, SKEP_STAGE_EXEC, SKEP_STAGE_HOOK, SKEP_STAGE_POST,
                            SKEP_STAGE_POST, SKEP_STAGE_EXEC, SKEP_STAGE_EXEC};
  for (size_t i = 0; i < std::size(stages); ++i) EXPECT_EQ(table.steps[i].stage, stages[i]) << i;
  EXPECT_EQ(set->signatures[2].name, "shell_on_a_socket");
  EXPECT_EQ(table.signatures[2].step_count, 2);
  EXPECT_EQ(table.signatures[2].scope, SKEP_BY_PROCESS);
  EXPECT_EQ(table.signatures[2].maxspan_ns, 10'000'000'000u);
}

TEST(SignaturePageTest, TheAppGroupsAreOptionsOfTheMonitor) {
  const auto blocks = fenced_blocks(page(), "yaml monitor.yaml");
  ASSERT_EQ(blocks.size(), 1u);
  const auto options = formats::parse_monitor_options("monitor.yaml", blocks[0]);
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->app_groups.at(0).programs.size(), 2u);
  for (const std::string& name : options->services.at(0).intercept) EXPECT_TRUE(call_number(name)) << name;
}

TEST(SignaturePageTest, EveryFieldHasItsRowWithTypeStageAndProvenance) {
  const auto rows = table_rows(section(page(), "Fields"));
  ASSERT_EQ(rows.size(), all_fields().size() + 1);
  EXPECT_EQ(rows[0].at(0), "`evt.type`");
  for (const Field& field : all_fields()) {
    const auto row = std::find_if(rows.begin(), rows.end(),
                                  [&](const auto& cells) { return without_ticks(cells.at(0)) == field.name; });
    ASSERT_NE(row, rows.end()) << field.name;
    EXPECT_EQ(row->at(1), type_word(field.type)) << field.name;
    EXPECT_EQ(row->at(2), stage_words(field.stages)) << field.name;
    EXPECT_EQ(row->at(3), provenance_word(field.provenance)) << field.name;
  }
}

// "`a` `b`" as its words.
std::vector<std::string_view> ticked(const std::string& cell) {
  std::vector<std::string_view> words;
  for (size_t at = cell.find('`'); at != std::string::npos; at = cell.find('`', at + 1)) {
    const size_t end = cell.find('`', at + 1);
    words.push_back(std::string_view(cell).substr(at + 1, end - at - 1));
    at = end;
  }
  return words;
}

TEST(SignaturePageTest, SaysOfWhichCallsAFieldIsKnown) {
  constexpr char kDescriptors[] = "those whose first argument is a descriptor";
  const auto rows = table_rows(section(page(), "Of which calls"));
  ASSERT_EQ(rows.size(), field_calls().size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const FieldCalls& row = field_calls()[i];
    EXPECT_EQ(ticked(rows[i].at(0)), row.fields) << i;
    EXPECT_EQ(rows[i].at(1), stage_words(row.stages)) << i;
    EXPECT_EQ(rows[i].at(2).starts_with("all but "), row.all_but) << i;
    if (rows[i].at(2) != kDescriptors) {
      EXPECT_EQ(ticked(rows[i].at(2)), row.calls) << i;
    }
    EXPECT_EQ(ticked(rows[i].at(3)), row.values) << i;
  }
}

// The keys that the reader asks for, as its source has them: map.text("desc", …), choose(map, "by", …), …, "where").
std::set<std::string> keys_of_source() {
  const std::string source = source_text("src/formats/signature_file.cc") +
                             source_text("src/formats/signature_step.cc") +
                             source_text("src/formats/signature_test_file.cc");
  std::set<std::string> keys;
  for (const std::string before :
       {"map.text(\"", "map.texts(\"", "map.truth(\"", "map.list(\"", "map.node(\"", "map.require(\"", "map.number(\"",
        "read_span(map, \"", "other.text(\"", "file.text(\"", "file.list(\"", "file.node(\"", "file.require(\"",
        "choose(map, \"", "one_of(map, \"", "read_condition(map, \"", "vocabulary, \""}) {
    for (size_t at = source.find(before); at != std::string::npos; at = source.find(before, at + 1)) {
      const size_t from = at + before.size();
      keys.insert(source.substr(from, source.find('"', from) - from));
    }
  }
  return keys;
}

TEST(SignaturePageTest, EveryKeyHasItsRowAndNoOtherIsNamed) {
  std::set<std::string> rows;
  for (const auto& cells : table_rows(section(page(), "Keys"))) rows.insert(without_ticks(cells.at(0)));
  EXPECT_EQ(rows, keys_of_source());
  for (const char* each : {"apiVersion", "where", "by", "enabled", "comps"}) EXPECT_TRUE(rows.count(each)) << each;
}

TEST(SignaturePageTest, EveryConditionIsJudgedWhereItsRowSays) {
  const auto rows = table_rows(section(page(), "Actions"));
  ASSERT_FALSE(rows.empty());
  for (const auto& cells : rows) {
    const auto set = compile_text("signatures:\n  - {signature: a, condition: \"" + without_ticks(cells.at(0)) +
                                      "\", action: " + cells.at(1) + "}",
                                  false, {"connect"});
    ASSERT_TRUE(set) << cells[0] << set.error().message;
    EXPECT_EQ(stage_word(set->table->steps[0].stage), cells.at(2)) << cells[0] << " " << cells[1];
  }
}

TEST(SignaturePageTest, WhatDoesNotLoadIsRefusedWithTheWordsOfItsRow) {
  const auto rows = table_rows(section(page(), "What does not load"));
  ASSERT_FALSE(rows.empty());
  for (const auto& cells : rows) {
    const auto set = compile_text("signatures:\n  - " + without_ticks(cells.at(0)), true);
    ASSERT_FALSE(set) << cells[0];
    EXPECT_THAT(set.error().message, HasSubstr(cells.at(1))) << cells[0];
  }
}

TEST(SignaturePageTest, NamesEveryErrnoAndNoUnknownConstant) {
  const std::string fields = section(page(), "Fields");
  const std::string values = fields.substr(fields.find("**Values.**"));
  const Field& number = *find_field("evt.arg.0");
  size_t constants = 0;
  std::string word;
  for (const char c : values) {
    if ((c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9')) {
      word += c;
      continue;
    }
    if (word.size() > 3 && (c == ' ' || c == '\n' || c == '.')) {
      EXPECT_TRUE(errno_of(word) || value_of(number, word, resolve_nothing())) << word;
      ++constants;
    }
    word.clear();
  }
  EXPECT_GT(constants, 40u);
}

TEST(SignaturePageTest, GivesTheLimitsThatHold) {
  const struct {
    const char* what;
    uint64_t limit;
  } limits[] = {
      {"signatures in a file, and in all; one for launched and for adopted services counts twice", SKEP_SIGNATURES_MAX},
      {"sequences and evidence in all, counted likewise", SKEP_SLOTS_MAX},
      {"runs of a sequence that are followed at once (`instances`)", SKEP_INSTANCES_MAX},
      {"values that a run remembers", SKEP_BOUND_MAX},
      {"weights of one evidence signature", SKEP_WEIGHTS_MAX},
      {"weights in all", SKEP_TABLE_WEIGHTS_MAX},
      {"levels of one evidence signature", SKEP_LEVELS_MAX},
      {"evidence signatures that one signature adds to", SKEP_SIGNATURE_FEEDS_MAX},
      {"folders above a file that are looked at", SKEP_FOLDERS_MAX},
      {"steps of a sequence", SKEP_STEPS_MAX},
      {"steps in all, one for each call that a step names", SKEP_TABLE_STEPS_MAX},
      {"steps that look at one call", SKEP_CALL_STEPS_MAX},
      {"alternatives (`or`) of a step, once brought into that form", formats::kConjunctionsMax},
      {"predicates (`and`) of an alternative", formats::kPredicatesMax},
      {"alternatives in all", SKEP_CONJUNCTIONS_MAX},
      {"predicates in all", SKEP_PREDICATES_MAX},
      {"values in lists in all", SKEP_VALUES_MAX},
      {"networks of a list", SKEP_NETS_A_LIST_MAX},
      {"networks in all", SKEP_NETS_MAX},
      {"services", SKEP_SERVICES_MAX},
      {"values of one `in`", formats::kListMax},
      {"tests of a file", formats::kTestsMax},
      {"calls of a trace", formats::kTraceMax},
      {"calls that a service intercepts, the usual ones with them", SKEP_INTERCEPTS_MAX},
  };
  const auto rows = table_rows(section(page(), "Limits"));
  for (const auto& [what, limit] : limits) {
    const auto row =
        std::find_if(rows.begin(), rows.end(), [&, name = what](const auto& cells) { return cells.at(0) == name; });
    ASSERT_NE(row, rows.end()) << what;
    EXPECT_EQ(std::stoull(row->at(1)), limit) << what;
  }
}

// A sequence of mount, umount2 and unshare in 100 ns, seen after they returned.
class SequenceOfThree : public testing::Test {
 protected:
  bool see(uint32_t step, uint64_t now_ns) {
    static constexpr uint32_t kCalls[] = {__NR_mount, __NR_umount2, __NR_unshare};
    skep_call call{};
    call.nr = kCalls[step];
    call.stage = SKEP_STAGE_POST;
    call.now_ns = now_ns;
    return !engine_.judge(call, {}).empty();
  }
  static CompiledSet three_steps() {
    auto set = compile_text(
        "signatures: [{signature: s, kind: sequence, maxspan: 100ns, action: observe, "
        "steps: [{on: mount}, {on: umount2}, {on: unshare}]}]");
    EXPECT_TRUE(set) << set.error().message;
    return std::move(*set);
  }
  const CompiledSet set_ = three_steps();
  Engine engine_{*set_.table};
};

TEST_F(SequenceOfThree, TheFirstStepSeenAgainBeginsAnewWhileTheSecondIsAwaited) {
  see(0, 1);
  see(0, 90);
  see(1, 150);
  EXPECT_TRUE(see(2, 180)) << "90 ns after the later first step";
}

TEST_F(SequenceOfThree, LaterTheFirstStepChangesNothing) {
  see(0, 1);
  see(1, 2);
  EXPECT_FALSE(see(0, 90));
  EXPECT_TRUE(see(2, 100));
}

TEST_F(SequenceOfThree, TheSpanIsCountedFromTheFirstStep) {
  see(0, 1);
  see(1, 60);
  EXPECT_FALSE(see(2, 102));
  see(0, 200);
  EXPECT_FALSE(see(2, 201)) << "a step is not leapt over";
}

}  // namespace
}  // namespace skep::match
