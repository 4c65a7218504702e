#include "watch/kernel.h"

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

bool has(const JudgedReturns& numbers, uint32_t number) {
  return (numbers[number / 64] >> number % 64 & 1) != 0;
}

TEST(JudgedReturnsTest, NoneWhereEveryStepIsJudgedEarlier) {
  EXPECT_EQ(judged_returns(*table_of(__NR_listen, SKEP_STAGE_HOOK)), JudgedReturns{});
}

TEST(JudgedReturnsTest, TheCallAloneWhoseReturnAStepJudges) {
  const JudgedReturns numbers = judged_returns(*table_of(__NR_dup2, SKEP_STAGE_POST));
  EXPECT_TRUE(has(numbers, __NR_dup2));
  EXPECT_FALSE(has(numbers, __NR_dup));
}

TEST(JudgedReturnsTest, EveryNumberOfACallThatIsJudgedAsOne) {
  const JudgedReturns numbers = judged_returns(*table_of(__NR_sendto, SKEP_STAGE_POST));
  for (const uint32_t number : {__NR_sendto, __NR_sendmsg, __NR_sendmmsg}) EXPECT_TRUE(has(numbers, number)) << number;
}

TEST(JudgedReturnsTest, AllWhereAForeignAbiIsJudged) {
  const JudgedReturns numbers = judged_returns(*table_of(SKEP_CALL_FOREIGN_ABI, SKEP_STAGE_POST));
  for (uint32_t number = 0; number < SKEP_CALLS_MAX; ++number) EXPECT_TRUE(has(numbers, number)) << number;
}

}  // namespace
}  // namespace skep::watch
