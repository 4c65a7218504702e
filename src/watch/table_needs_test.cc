#include "watch/table_needs.h"

#include <asm/unistd_64.h>
#include <gtest/gtest.h>

#include <memory>

namespace skep::watch {
namespace {

std::unique_ptr<skep_table> table_of(uint32_t call, skep_stage stage) {
  auto table = std::make_unique<skep_table>();
  table->signature_count = 1;
  table->calls[call] = {1, 2};
  table->by_call[1] = 4;
  table->by_call[2] = 5;
  table->steps[4].stage = SKEP_STAGE_PRE;
  table->steps[5].stage = stage;
  return table;
}

bool has(const std::array<uint64_t, SKEP_CALLS_MAX / 64>& numbers, uint32_t number) {
  return (numbers[number / 64] >> number % 64 & 1) != 0;
}

TEST(TableNeedsTest, NoneWhereEveryStepIsJudgedEarlier) {
  EXPECT_EQ(needs_of(*table_of(__NR_listen, SKEP_STAGE_HOOK)).returns, TableNeeds{}.returns);
}

TEST(TableNeedsTest, TheCallAloneWhoseReturnAStepJudges) {
  const auto numbers = needs_of(*table_of(__NR_dup2, SKEP_STAGE_POST)).returns;
  EXPECT_TRUE(has(numbers, __NR_dup2));
  EXPECT_FALSE(has(numbers, __NR_dup));
}

TEST(TableNeedsTest, EveryNumberOfACallThatIsJudgedAsOne) {
  const auto numbers = needs_of(*table_of(__NR_sendto, SKEP_STAGE_POST)).returns;
  for (const uint32_t number : {__NR_sendto, __NR_sendmsg, __NR_sendmmsg}) EXPECT_TRUE(has(numbers, number)) << number;
}

TEST(TableNeedsTest, AllWhereAForeignAbiIsJudged) {
  const auto numbers = needs_of(*table_of(SKEP_CALL_FOREIGN_ABI, SKEP_STAGE_POST)).returns;
  for (uint32_t number = 0; number < SKEP_CALLS_MAX; ++number) EXPECT_TRUE(has(numbers, number)) << number;
}

TEST(TableNeedsTest, TheFieldsThatStepsOfThisCallLookAtOrBind) {
  const auto table = table_of(__NR_write, SKEP_STAGE_POST);
  table->steps[4].conjunction_first = 3;
  table->steps[4].conjunction_count = 2;
  table->conjunctions[3] = {7, 1};
  table->conjunctions[4] = {8, 1};
  table->predicates[7].field = SKEP_FIELD_FD_TYPE;
  table->predicates[8].field = SKEP_FIELD_DATA;
  table->steps[5].bind[1] = SKEP_FIELD_FD_FILE + 1;
  const TableNeeds needs = needs_of(*table);
  const uint64_t wanted = 1ull << SKEP_FIELD_FD_TYPE | 1ull << SKEP_FIELD_DATA | 1ull << SKEP_FIELD_FD_FILE;
  EXPECT_EQ(needs.fields[__NR_write], wanted);
  EXPECT_EQ(needs.fields[__NR_read], 0u);
}

}  // namespace
}  // namespace skep::watch
