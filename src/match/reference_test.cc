// The automaton held against the reference matcher, over a fixed number of pseudo-random sets and traces. The same
// without end, and led by coverage: fuzz/automaton_fuzz.cc.
#include <gtest/gtest.h>

#include <random>

#include "match/random_set.h"

namespace skep::match {
namespace {

TEST(ReferenceTest, TheAutomatonDecidesAsTheReference) {
  constexpr int kCases = 500;
  size_t fired = 0;
  size_t kinds[3] = {};
  for (int seed = 0; seed < kCases; ++seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    std::vector<uint8_t> bytes(900);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    RandomCase random_case(bytes);
    for (const formats::Signature& signature : random_case.set().signatures) ++kinds[static_cast<int>(signature.kind)];
    fired += random_case.hold_against_each_other();
  }
  // What never fires would prove nothing.
  EXPECT_GT(fired, size_t{kCases});
  for (const size_t of_kind : kinds) EXPECT_GT(of_kind, size_t{kCases} / 10);
}

}  // namespace
}  // namespace skep::match
