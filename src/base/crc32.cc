// CRC-32 by carry-less multiplication where the CPU has it (four lanes of 16 bytes at once, or sixteen), else zlib's.
// The method and its constants: Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ", Intel
// 2009.
#include <immintrin.h>
#include <zlib.h>

#include <array>
#include <cstring>

#include "base/bytes.h"

namespace skep {
namespace {

constexpr size_t kLane = 16;
constexpr size_t kLanes = 4;
constexpr size_t kFoldedMin = kLane * kLanes;  // below that lane by lane
constexpr size_t kWideLane = 64;
constexpr size_t kWideStep = kWideLane * kLanes;
constexpr size_t kWideMin = 4 * kWideStep;  // below that the wide registers are not worth their while

// x^n modulo the reflected polynomial, for the distances over which is folded: 16 lanes, 4 lanes, 1 lane, 64 bits.
alignas(16) constexpr uint64_t kSixteenLanes[2] = {0x011542778a, 0x01322d1430};
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

#define SKEP_FOLDING_WIDE __attribute__((target("avx512f,vpclmulqdq,pclmul,sse4.1")))

SKEP_FOLDING_WIDE __m512i everywhere(const uint64_t (&pair)[2]) {
  const auto low = static_cast<long long>(pair[0]);
  const auto high = static_cast<long long>(pair[1]);
  return _mm512_set4_epi64(high, low, high, low);
}
SKEP_FOLDING_WIDE __m512i fold(__m512i value, __m512i by, __m512i next) {
  constexpr int kXorOfThree = 0x96;
  const __m512i low = _mm512_clmulepi64_epi128(value, by, 0x00);
  const __m512i high = _mm512_clmulepi64_epi128(value, by, 0x11);
  return _mm512_ternarylogic_epi64(low, high, next, kXorOfThree);
}

// Takes whole steps of `bytes`, at least two, into `lanes`, as `begin_lanes` takes the first four; returns how many
// bytes.
SKEP_FOLDING_WIDE size_t begin_lanes_wide(uint32_t state, ByteView bytes, __m128i (&lanes)[kLanes]) {
  const uint8_t* at = bytes.data();
  __m512i wide[kLanes];
  for (size_t i = 0; i < kLanes; ++i) wide[i] = _mm512_loadu_si512(at + i * kWideLane);
  wide[0] = _mm512_xor_si512(wide[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(state))));
  const __m512i far = everywhere(kSixteenLanes);
  size_t taken = kWideStep;
  for (; bytes.size() - taken >= kWideStep; taken += kWideStep) {
    for (size_t i = 0; i < kLanes; ++i) wide[i] = fold(wide[i], far, _mm512_loadu_si512(at + taken + i * kWideLane));
  }
  const __m512i near = everywhere(kFourLanes);
  __m512i all = wide[0];
  for (size_t i = 1; i < kLanes; ++i) all = fold(all, near, wide[i]);
  alignas(kWideLane) uint8_t four[kWideLane];
  _mm512_store_si512(four, all);
  for (size_t i = 0; i < kLanes; ++i) lanes[i] = lane(four + i * kLane);
  return taken;
}

SKEP_FOLDING size_t begin_lanes(uint32_t state, ByteView bytes, __m128i (&lanes)[kLanes]) {
  for (size_t i = 0; i < kLanes; ++i) lanes[i] = lane(bytes.data() + i * kLane);
  lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi32_si128(static_cast<int>(state)));
  return kFoldedMin;
}

// Of less than four lanes, as of a record's head: one lane after the other.
SKEP_FOLDING uint32_t folded_short(uint32_t state, ByteView bytes) {
  const __m128i near = constant(kOneLane);
  __m128i all = _mm_xor_si128(lane(bytes.data()), _mm_cvtsi32_si128(static_cast<int>(state)));
  for (size_t at = kLane; at < bytes.size(); at += kLane) all = fold(all, near, lane(bytes.data() + at));
  return reduce(all);
}

// `bytes` whole lanes, at least one. Takes and gives the register as it is inside, not inverted.
SKEP_FOLDING uint32_t folded(uint32_t state, ByteView bytes) {
  if (bytes.size() < kFoldedMin) return folded_short(state, bytes);
  static const bool has_wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq");
  __m128i lanes[kLanes];
  const bool wide = has_wide && bytes.size() >= kWideMin;
  const size_t begun = wide ? begin_lanes_wide(state, bytes, lanes) : begin_lanes(state, bytes, lanes);
  const uint8_t* at = bytes.data() + begun;
  const uint8_t* const end = bytes.data() + bytes.size();
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

// What is behind the last whole lane goes four bytes at a time through tables (zlib takes five times as long to begin).
constexpr size_t kSlice = 4;
using Tables = std::array<std::array<uint32_t, 256>, kSlice>;
constexpr Tables make_tables() {
  constexpr uint32_t kPolynomial = 0xedb88320;
  Tables tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ ((value & 1) != 0 ? kPolynomial : 0);
    tables[0][i] = value;
  }
  for (size_t slice = 1; slice < kSlice; ++slice) {
    for (uint32_t i = 0; i < 256; ++i) {
      const uint32_t before = tables[slice - 1][i];
      tables[slice][i] = before >> 8 ^ tables[0][before & 255];
    }
  }
  return tables;
}
constexpr Tables kTables = make_tables();

uint32_t by_tables(uint32_t state, ByteView bytes) {
  for (; bytes.size() >= kSlice; bytes = bytes.subspan(kSlice)) {
    uint32_t four = 0;
    std::memcpy(&four, bytes.data(), kSlice);
    state ^= four;
    state = kTables[3][state & 255] ^ kTables[2][state >> 8 & 255] ^ kTables[1][state >> 16 & 255] ^
            kTables[0][state >> 24];
  }
  for (const uint8_t byte : bytes) state = state >> 8 ^ kTables[0][(state ^ byte) & 255];
  return state;
}

}  // namespace

uint32_t crc32(ByteView bytes, uint32_t before) {
  if (bytes.empty()) return before;  // zlib begins anew where there is no address
  static const bool can_fold = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  if (!can_fold) return static_cast<uint32_t>(::crc32_z(before, bytes.data(), bytes.size()));
  const size_t whole = bytes.size() / kLane * kLane;
  const uint32_t state = whole > 0 ? folded(~before, bytes.first(whole)) : ~before;
  return ~by_tables(state, bytes.subspan(whole));
}

}  // namespace skep
