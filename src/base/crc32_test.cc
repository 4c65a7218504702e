#include <gtest/gtest.h>
#include <zlib.h>

#include <random>

#include "base/bytes.h"

namespace skep {
namespace {

TEST(Crc32Test, IsThatOfTheStandard) {
  EXPECT_EQ(crc32(as_bytes("123456789")), 0xcbf43926u);
}

// At each length around the folded blocks, and at each place in memory, the same as zlib's.
TEST(Crc32Test, FoldsToWhatZlibCounts) {
  Bytes bytes(8192 + 16);
  std::mt19937 random(1);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  for (size_t length = 0; length < 2200; ++length) {
    for (const size_t from : {0u, 1u, 7u, 15u}) {
      const ByteView piece = ByteView(bytes).subspan(from, length);
      ASSERT_EQ(crc32(piece), ::crc32_z(0, piece.data(), piece.size())) << length << " bytes from " << from;
    }
  }
  EXPECT_EQ(crc32(bytes), ::crc32_z(0, bytes.data(), bytes.size()));
}

TEST(Crc32Test, NothingAddsNothingWhereverItLies) {
  EXPECT_EQ(crc32(ByteView(), 0xcbf43926u), 0xcbf43926u);
  EXPECT_EQ(crc32(as_bytes("123456789").first(0), 0xcbf43926u), 0xcbf43926u);
}

}  // namespace
}  // namespace skep
