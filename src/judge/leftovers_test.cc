#include "judge/leftovers.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <utility>
#include <vector>

namespace skep::judge {
namespace {

class LeftoversTest : public testing::Test {
 protected:
  static skep_flow flow(uint16_t port) {
    skep_flow flow{};
    flow.remote_port = port;
    return flow;
  }
  std::vector<std::pair<uint16_t, int>> sent_;  // ports and signals
  Result<uint32_t> running_ = 1;
  Leftovers leftovers_{[this](const skep_flow& flow, int signal) {
    sent_.emplace_back(flow.remote_port, signal);
    return running_;
  }};
};

using Sent = std::vector<std::pair<uint16_t, int>>;

TEST_F(LeftoversTest, AReplaysProcessesAreAskedToEndAndThenMadeTo) {
  EXPECT_EQ(leftovers_.next_deadline_ns(), std::nullopt);
  leftovers_.over(flow(7), 0);
  EXPECT_EQ(leftovers_.next_deadline_ns(), Leftovers::kPatienceNs);
  leftovers_.step(Leftovers::kPatienceNs - 1);
  EXPECT_TRUE(sent_.empty());
  leftovers_.step(Leftovers::kPatienceNs);
  EXPECT_EQ(sent_, (Sent{{7, SIGTERM}}));
  leftovers_.step(2 * Leftovers::kPatienceNs);
  EXPECT_EQ(sent_, (Sent{{7, SIGTERM}, {7, SIGKILL}}));
  leftovers_.step(9 * Leftovers::kPatienceNs);
  EXPECT_EQ(sent_.size(), 2u);
  EXPECT_EQ(leftovers_.ended(), 1u);
}

TEST_F(LeftoversTest, WhereNothingWasLeftNothingMoreIsSent) {
  running_ = 0;
  leftovers_.over(flow(7), 0);
  leftovers_.step(Leftovers::kPatienceNs);
  EXPECT_EQ(leftovers_.next_deadline_ns(), std::nullopt);
  EXPECT_EQ(leftovers_.ended(), 0u);
}

TEST_F(LeftoversTest, OneThatCannotBeEndedHoldsUpNoOther) {
  running_ = fail("no");
  leftovers_.over(flow(7), 0);
  leftovers_.over(flow(8), 1);
  leftovers_.step(2 * Leftovers::kPatienceNs);
  EXPECT_EQ(sent_, (Sent{{7, SIGTERM}, {8, SIGTERM}}));
  EXPECT_EQ(leftovers_.next_deadline_ns(), std::nullopt);
}

TEST_F(LeftoversTest, IsBounded) {
  for (size_t i = 0; i < Leftovers::kWaitingMax + 3; ++i) leftovers_.over(flow(static_cast<uint16_t>(i)), 0);
  EXPECT_EQ(leftovers_.refused(), 3u);
}

}  // namespace
}  // namespace skep::judge
