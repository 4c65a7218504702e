// CRC-32 by carry-less multiplication where the CPU has it (16 bytes a step, four steps at once), else zlib's. The
// method and its constants: Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ", Intel 2009.
#include <immintrin.h>
#include <zlib.h>

#include "base/bytes.h"

namespace skep {
namespace {

constexpr size_t kLane = 16;
constexpr size_t kLanes = 4;
constexpr size_t kFoldedMin = kLane * kLanes;  // below that there is nothing to fold

// x^n modulo the reflected polynomial, for the distances over which is folded: 4 lanes, 1 lane, 64 bits.
alignas(16) constexpr uint64_t kFourLanes[2] = {0x0154442bd4, 0x01c6e41596};
alignas(16) constexpr uint64_t kOneLane[2] = {0x01751997d0, 0x00ccaa009e};
alignas(16) constexpr uint64_t kHalfLane[2] = {0x0163cd6124, 0};
alignas(16) constexpr uint64_t kBarrett[2] = {0x01db710641, 0x01f7011641};

#define SKEP_FOLDING __attribute__((target("pclmul,sse4.1")))

SKEP_FOLDING __m128i lane(const uint8_t* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
SKEP_FOLDING __m128i constant(const uint64_t (&pair)[2]) {
  return _mm_load_si128(reinterpret_cast<const __m128i*>(pair));
}
SKEP_FOLDING __m128i fold(__m128i value, __m128i by, __m128i next) {
  const __m128i low = _mm_clmulepi64_si128(value, by, 0x00);
  const __m128i high = _mm_clmulepi64_si128(value, by, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

SKEP_FOLDING uint32_t reduce(__m128i value) {
  const __m128i low_words = _mm_setr_epi32(-1, 0, -1, 0);
  const __m128i crossed = _mm_clmulepi64_si128(value, constant(kOneLane), 0x10);
  value = _mm_xor_si128(_mm_srli_si128(value, 8), crossed);
  const __m128i upper = _mm_srli_si128(value, 4);
  value = _mm_clmulepi64_si128(_mm_and_si128(value, low_words), constant(kHalfLane), 0x00);
  value = _mm_xor_si128(value, upper);
  __m128i quotient = _mm_clmulepi64_si128(_mm_and_si128(value, low_words), constant(kBarrett), 0x10);
  quotient = _mm_clmulepi64_si128(_mm_and_si128(quotient, low_words), constant(kBarrett), 0x00);
  return static_cast<uint32_t>(_mm_extract_epi32(_mm_xor_si128(value, quotient), 1));
}

// `bytes` at least kFoldedMin, and whole lanes. Takes and gives the register as it is inside, not inverted.
SKEP_FOLDING uint32_t folded(uint32_t state, ByteView bytes) {
  const uint8_t* at = bytes.data();
  const uint8_t* const end = at + bytes.size();
  __m128i lanes[kLanes];
  for (size_t i = 0; i < kLanes; ++i) lanes[i] = lane(at + i * kLane);
  lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi32_si128(static_cast<int>(state)));
  at += kFoldedMin;
  const __m128i far = constant(kFourLanes);
  for (; end - at >= static_cast<ptrdiff_t>(kFoldedMin); at += kFoldedMin) {
    for (size_t i = 0; i < kLanes; ++i) lanes[i] = fold(lanes[i], far, lane(at + i * kLane));
  }
  const __m128i near = constant(kOneLane);
  __m128i all = lanes[0];
  for (size_t i = 1; i < kLanes; ++i) all = fold(all, near, lanes[i]);
  for (; at < end; at += kLane) all = fold(all, near, lane(at));
  return reduce(all);
}

}  // namespace

uint32_t crc32(ByteView bytes) {
  static const bool can_fold = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  if (!can_fold || bytes.size() < kFoldedMin) return static_cast<uint32_t>(::crc32_z(0, bytes.data(), bytes.size()));
  const size_t whole = bytes.size() / kLane * kLane;
  const uint32_t head = ~folded(~uint32_t{0}, bytes.first(whole));
  return static_cast<uint32_t>(::crc32_z(head, bytes.data() + whole, bytes.size() - whole));
}

}  // namespace skep
