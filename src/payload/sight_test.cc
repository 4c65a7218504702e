#include "payload/sight.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace skep::payload {
namespace {

std::string text_of(const View& view) {
  return std::string(as_text(view.bytes));
}

TEST(SightTest, ShowsTheSameHoweverTheStreamIsCut) {
  std::string stream;
  for (size_t i = 0; stream.size() < 40'000; ++i) stream += std::to_string(i) + ",";
  for (unsigned seed = 0; seed < 60; ++seed) {
    std::mt19937 random(seed);
    Sight sight;
    for (size_t at = 0; at < stream.size();) {
      const size_t size = std::min<size_t>(1 + random() % (seed % 2 == 0 ? 600 : 20'000), stream.size() - at);
      const Bytes read(stream.begin() + static_cast<std::ptrdiff_t>(at),
                       stream.begin() + static_cast<std::ptrdiff_t>(at + size));
      sight.begin(read);
      for (ByteView piece = sight.next(); !piece.empty(); piece = sight.next()) {
        const uint64_t end = sight.end();
        const uint64_t block = (end - 1) / kWindowBytes;
        EXPECT_EQ(sight.start(), block == 0 ? 0 : (block - 1) * kWindowBytes);
        EXPECT_EQ(text_of(sight.view(0, UINT64_MAX, false)), stream.substr(sight.start(), end - sight.start()));
      }
      sight.leave();
      at += size;
      EXPECT_EQ(sight.end(), at);
      EXPECT_EQ(text_of(sight.view(0, UINT64_MAX, false)), stream.substr(sight.start(), at - sight.start()));
    }
    EXPECT_LE(sight.bytes_held(), 4 * kWindowBytes);
  }
}

TEST(SightTest, AViewBeginsWhereItsBufferDoes) {
  Sight sight;
  const std::string read = "USER x\r\nPASS y\r\n";
  sight.begin(as_bytes(read));
  sight.next();
  sight.leave();
  const View view = sight.view(8, 14, true);
  EXPECT_EQ(text_of(view), "PASS y");
  EXPECT_EQ(view.start, 0u);
  EXPECT_TRUE(view.complete);
  EXPECT_TRUE(sight.view(16, UINT64_MAX, false).bytes.empty());
}

TEST(SightTest, OfABufferThatBeganBeforeItSaysHowMuchIsOutOfSight) {
  Sight sight;
  const std::string read(3 * kWindowBytes, 'x');
  sight.begin(as_bytes(read));
  while (!sight.next().empty()) {
  }
  EXPECT_EQ(sight.view(100, UINT64_MAX, false).start, kWindowBytes - 100);
}

}  // namespace
}  // namespace skep::payload
