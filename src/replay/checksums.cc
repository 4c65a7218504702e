#include "replay/checksums.h"

namespace skep::replay {

namespace {

// CRC-16/XMODEM's polynomial with CRC-16/CCITT-FALSE's beginning is one of a dozen; this is Modbus', the widest spread.
uint32_t crc16(ByteView bytes) {
  uint32_t crc = 0xFFFF;
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xA001 : crc >> 1;
  }
  return crc;
}

uint32_t adler32(ByteView bytes) {
  uint32_t a = 1, b = 0;
  for (const uint8_t byte : bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

// RFC 1071.
uint32_t ip_sum(ByteView bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? static_cast<uint32_t>(bytes[i]) << 8 : bytes[i];
    sum = (sum & 0xFFFF) + (sum >> 16);
  }
  return ~sum & 0xFFFF;
}

uint32_t xor8(ByteView bytes) {
  uint32_t sum = 0;
  for (const uint8_t byte : bytes) sum ^= byte;
  return sum;
}

uint32_t sum8(ByteView bytes) {
  uint32_t sum = 0;
  for (const uint8_t byte : bytes) sum += byte;
  return sum & 0xFF;
}

}  // namespace

uint32_t checksum(ChecksumKind kind, ByteView bytes) {
  switch (kind) {
    case ChecksumKind::crc32:
      return crc32(bytes);
    case ChecksumKind::crc16:
      return crc16(bytes);
    case ChecksumKind::adler32:
      return adler32(bytes);
    case ChecksumKind::ip_sum:
      return ip_sum(bytes);
    case ChecksumKind::xor8:
      return xor8(bytes);
    case ChecksumKind::sum8:
      return sum8(bytes);
  }
  return 0;
}

}  // namespace skep::replay
