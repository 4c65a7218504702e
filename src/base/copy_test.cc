#include <gtest/gtest.h>

#include "base/bytes.h"

namespace skep {
namespace {

Bytes numbered(size_t count) {
  Bytes bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(i * 131 + i / 251);
  return bytes;
}

TEST(CopyTest, CopiesEveryByteAndNoneBesideAtEveryAlignmentAndLength) {
  const Bytes from = numbered(20'000);
  for (const size_t length :
       {size_t{0}, size_t{1}, size_t{63}, size_t{8191}, size_t{8192}, size_t{8193}, size_t{19'000}}) {
    for (size_t shift = 0; shift < 65; shift += 4) {
      Bytes to(length + 130, 0xee);
      copy_past_cache(to.data() + shift, ByteView(from).subspan(shift, length));
      Bytes wanted(to.size(), 0xee);
      std::copy_n(from.begin() + static_cast<ptrdiff_t>(shift), length, wanted.begin() + static_cast<ptrdiff_t>(shift));
      ASSERT_EQ(to, wanted) << length << " bytes at " << shift;
    }
  }
}

}  // namespace
}  // namespace skep
