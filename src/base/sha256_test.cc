#include "base/sha256.h"

#include <gtest/gtest.h>

namespace skep {
namespace {

// FIPS 180-4, "abc".
TEST(Sha256Test, KnowsTheStandardsExampleInPieces) {
  Sha256 sha;
  sha.add(as_bytes("a"));
  sha.add({});
  sha.add(as_bytes("bc"));
  EXPECT_EQ(hex(sha.finish()), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace skep
