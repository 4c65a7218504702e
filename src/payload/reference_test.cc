// The scanner held against the slow reference, over a fixed number of pseudo-random rules and streams. The same without
// end, and led by coverage: fuzz/scanner_fuzz.cc.
#include <gtest/gtest.h>

#include <random>

#include "payload/random_rules.h"

namespace skep::payload {
namespace {

TEST(ReferenceTest, TheScannerSaysWhatTheReferenceSays) {
  constexpr unsigned kCases = 2000;
  size_t fired = 0;
  for (unsigned seed = 0; seed < kCases; ++seed) {
    std::mt19937 random(seed);
    std::vector<uint8_t> bytes(300);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    fired += RandomRules(bytes).hold_against_each_other();
  }
  // What never fires would prove nothing.
  EXPECT_GT(fired, kCases / 4);
}

}  // namespace
}  // namespace skep::payload
