#include "proxy/four_tuples.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace skep::proxy {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

FourTuple ends(const std::string& peer, const std::string& local) {
  return {*parse_endpoint(peer), *parse_endpoint(local)};
}

TEST(FourTuplesTest, EveryPartOfTheFourTellsSessionsApart) {
  FourTuples tuples(1);
  const FourTuple all[] = {
      ends("192.0.2.1:4000", "10.0.0.1:53"),      ends("192.0.2.2:4000", "10.0.0.1:53"),
      ends("192.0.2.1:4001", "10.0.0.1:53"),      ends("192.0.2.1:4000", "10.0.0.2:53"),
      ends("192.0.2.1:4000", "10.0.0.1:54"),      ends("10.0.0.1:53", "192.0.2.1:4000"),
      ends("[2001:db8::1]:4000", "[fd00::1]:53"),
  };
  for (uint32_t i = 0; i < std::size(all); ++i) {
    EXPECT_FALSE(tuples.find(all[i]));
    tuples.add(all[i], i);
  }
  for (uint32_t i = 0; i < std::size(all); ++i) EXPECT_EQ(tuples.find(all[i]), i);
  FourTuple elsewhere = all[0];
  elsewhere.interface = 2;
  EXPECT_FALSE(tuples.find(elsewhere));
  tuples.remove(all[0]);
  EXPECT_FALSE(tuples.find(all[0]));
  EXPECT_EQ(tuples.live(), std::size(all) - 1);
}

TEST(FourTuplesTest, WhoWasCutIsBarredForItsTimeAndNobodyElse) {
  FourTuples tuples(1);
  const FourTuple cut = ends("192.0.2.1:4000", "10.0.0.1:53");
  tuples.bar(cut, 10 * kSecond);
  EXPECT_TRUE(tuples.barred(cut, 10 * kSecond - 1));
  EXPECT_FALSE(tuples.barred(ends("192.0.2.1:4001", "10.0.0.1:53"), 0));
  EXPECT_FALSE(tuples.barred(cut, 10 * kSecond));
  EXPECT_EQ(tuples.barred_count(), 0u) << "forgotten";
}

TEST(FourTuplesTest, BarredAnewItIsBarredLonger) {
  FourTuples tuples(1);
  const FourTuple cut = ends("192.0.2.1:4000", "10.0.0.1:53");
  tuples.bar(cut, 10 * kSecond);
  tuples.bar(cut, 20 * kSecond);
  EXPECT_TRUE(tuples.barred(cut, 15 * kSecond));
  EXPECT_FALSE(tuples.barred(cut, 20 * kSecond));
}

TEST(FourTuplesTest, OfTooManyBarredTheOldestAreForgotten) {
  FourTuples tuples(1);
  const auto number = [](size_t i) {
    return ends(fmt::format("10.{}.{}.{}:1", i >> 16, i >> 8 & 255, i & 255), "192.0.2.1:53");
  };
  for (size_t i = 0; i < FourTuples::kBarredMax + 10; ++i) tuples.bar(number(i), kSecond);
  EXPECT_EQ(tuples.barred_count(), FourTuples::kBarredMax);
  EXPECT_FALSE(tuples.barred(number(9), 0));
  EXPECT_TRUE(tuples.barred(number(10), 0));
}

}  // namespace
}  // namespace skep::proxy
