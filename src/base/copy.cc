#include <emmintrin.h>

#include <cstring>

#include "base/bytes.h"

namespace skep {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kPastCacheMin = 8192;  // below that the cache has room for both

}  // namespace

void copy_past_cache(uint8_t* to, ByteView from) {
  if (from.empty()) return;
  if (from.size() < kPastCacheMin) {
    std::memcpy(to, from.data(), from.size());
    return;
  }
  const uint8_t* at = from.data();
  const size_t head = (kLine - reinterpret_cast<uintptr_t>(to) % kLine) % kLine;
  std::memcpy(to, at, head);
  size_t left = from.size() - head;
  to += head;
  at += head;
  for (; left >= kLine; left -= kLine, at += kLine, to += kLine) {
    for (size_t i = 0; i < kLine; i += sizeof(__m128i))
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + i), _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + i)));
  }
  std::memcpy(to, at, left);
  _mm_sfence();  // these stores keep no order with later ones; whoever is told of the bytes must see them
}

}  // namespace skep
