#include "judge/losses.h"

#include <gtest/gtest.h>

namespace skep::judge {
namespace {

constexpr int64_t kLater = RingNumbers::kPatienceNs;

class RingNumbersTest : public testing::Test {
 protected:
  void take(uint64_t number, int64_t now_ns = 0) {
    skep_record record{};
    record.seq = number;
    record.time_ns = number * 10;
    numbers_.take(record, now_ns);
  }
  RingNumbers numbers_;
};

TEST_F(RingNumbersTest, AGapIsALossOnceItHasNotFilled) {
  take(7);
  take(11);
  EXPECT_EQ(numbers_.lost(kLater - 1).records, 0u);
  const auto loss = numbers_.lost(kLater);
  EXPECT_EQ(loss.records, 3u);
  EXPECT_EQ(loss.from_ns, 70u);
  EXPECT_EQ(loss.to_ns, 110u);
  EXPECT_EQ(numbers_.lost(kLater).records, 0u) << "told once";
  EXPECT_EQ(numbers_.total(), 3u);
}

TEST_F(RingNumbersTest, WhatComesInTheOtherOrderIsNoLoss) {
  for (const uint64_t number : {1, 3, 2, 6, 4, 5, 7}) take(number);
  EXPECT_EQ(numbers_.lost(kLater).records, 0u);
  take(12);
  take(10);
  EXPECT_EQ(numbers_.lost(kLater).records, 3u) << "8, 9 and 11";
}

TEST_F(RingNumbersTest, WhereOneBeginsIsNoLoss) {
  take(1'000'000);
  EXPECT_EQ(numbers_.lost(kLater).records, 0u);
}

TEST_F(RingNumbersTest, ALongGapIsALossAtOnce) {
  take(1);
  take(2 + RingNumbers::kOutOfOrderMax + 1);
  EXPECT_EQ(numbers_.lost(0).records, RingNumbers::kOutOfOrderMax + 1);
}

TEST_F(RingNumbersTest, ManyGapsAreBounded) {
  const uint64_t gaps = RingNumbers::kGapsMax + 5;
  for (uint64_t i = 0; i <= gaps; ++i) take(1 + 2 * i);
  EXPECT_EQ(numbers_.lost(0).records, 5u) << "the oldest, without waiting";
  EXPECT_EQ(numbers_.lost(kLater).records, gaps - 5);
}

TEST(FlowSpansTest, NamesWhoWasOpenMeanwhile) {
  FlowSpans spans;
  const auto told = [&](uint16_t type, uint64_t serial, uint64_t opened_ns, uint64_t now_ns) {
    skep_flow_record record{};
    record.head.type = type;
    record.head.time_ns = now_ns;
    record.flow.serial = serial;
    record.flow.opened_ns = opened_ns;
    spans.take(record);
  };
  told(SKEP_FLOW_OPENED, 1, 100, 100);
  told(SKEP_FLOW_CLOSED, 1, 100, 200);
  told(SKEP_FLOW_OPENED, 2, 150, 150);
  told(SKEP_FLOW_CLOSED, 2, 150, 300);
  told(SKEP_FLOW_OPENED, 3, 250, 250);
  told(SKEP_FLOW_OPENED, 4, 500, 500);
  const auto serials = [&](uint64_t from_ns, uint64_t to_ns) {
    std::vector<uint64_t> found;
    for (const skep_flow& flow : spans.between(from_ns, to_ns)) found.push_back(flow.serial);
    return found;
  };
  EXPECT_EQ(serials(210, 400), (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(serials(0, 1000), (std::vector<uint64_t>{1, 2, 3, 4}));
}

}  // namespace
}  // namespace skep::judge
