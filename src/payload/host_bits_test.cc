#include "payload/host_bits.h"

#include <gtest/gtest.h>

namespace skep::payload {
namespace {

using Scope = formats::RuleBit::Scope;

constexpr int64_t kSecond = 1'000'000'000;

Flow flow(const char* source, const char* destination = "198.51.100.1:80") {
  return {*parse_endpoint(source), *parse_endpoint(destination)};
}

TEST(HostBitsTest, ABitIsOfItsScope) {
  HostBits bits;
  EXPECT_TRUE(bits.set(1, Scope::source, flow("192.0.2.1:1"), 0, 10));
  EXPECT_FALSE(bits.set(1, Scope::source, flow("192.0.2.1:2"), 0, 10)) << "it was set";
  EXPECT_TRUE(bits.is_set(1, Scope::source, flow("192.0.2.1:3", "198.51.100.9:21"), 0));
  EXPECT_FALSE(bits.is_set(1, Scope::source, flow("192.0.2.2:1"), 0));
  EXPECT_FALSE(bits.is_set(2, Scope::source, flow("192.0.2.1:1"), 0));
  EXPECT_FALSE(bits.is_set(1, Scope::pair, flow("192.0.2.1:1"), 0));
  bits.set(1, Scope::destination, flow("192.0.2.7:1"), 0, 10);
  EXPECT_TRUE(bits.is_set(1, Scope::destination, flow("192.0.2.8:1"), 0));
}

TEST(HostBitsTest, ABitEndsWithItsTimeOrWhereItIsTakenAway) {
  HostBits bits;
  bits.set(1, Scope::source, flow("192.0.2.1:1"), 0, 10);
  EXPECT_TRUE(bits.is_set(1, Scope::source, flow("192.0.2.1:1"), 9 * kSecond));
  EXPECT_FALSE(bits.is_set(1, Scope::source, flow("192.0.2.1:1"), 10 * kSecond));
  EXPECT_TRUE(bits.set(1, Scope::source, flow("192.0.2.1:1"), 11 * kSecond, 10));
  EXPECT_TRUE(bits.unset(1, Scope::source, flow("192.0.2.1:1"), 12 * kSecond));
  EXPECT_FALSE(bits.is_set(1, Scope::source, flow("192.0.2.1:1"), 12 * kSecond));
}

TEST(HostBitsTest, TheirNumberIsBounded) {
  HostBits bits;
  for (uint64_t i = 0; i < 200'000; ++i) bits.set(i, Scope::source, flow("192.0.2.1:1"), 0, 10);
  EXPECT_LE(bits.size(), HostBits::kBitsMax);
  EXPECT_TRUE(bits.is_set(199'999, Scope::source, flow("192.0.2.1:1"), 0));
}

}  // namespace
}  // namespace skep::payload
