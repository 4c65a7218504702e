#include "formats/saved_syn.h"

#include <netinet/in.h>

#include <algorithm>

namespace skep::formats {
namespace {

constexpr uint16_t kSynFlag = 2;
constexpr int kExtensionHeadersMax = 8;

// Both return what follows the IP headers; empty: they are none.
ByteView parse_v4(ByteView bytes, SynHeaders& syn) {
  ByteReader reader(bytes);
  const size_t header_bytes = (bytes[0] & 15u) * 4u;
  reader.le<uint8_t>();
  syn.traffic_class = reader.le<uint8_t>();
  reader.raw(2);
  syn.ip_id = reader.be<uint16_t>();
  syn.dont_fragment = (reader.be<uint16_t>() & 0x4000) != 0;
  syn.ttl = reader.le<uint8_t>();
  const auto protocol = reader.le<uint8_t>();
  reader.raw(2);
  const ByteView address = reader.raw(4);
  if (!reader.ok() || protocol != IPPROTO_TCP || header_bytes < 20 || header_bytes > bytes.size()) return {};
  syn.source.address[10] = syn.source.address[11] = 0xff;
  std::copy(address.begin(), address.end(), syn.source.address.begin() + 12);
  return bytes.subspan(header_bytes);
}

ByteView parse_v6(ByteView bytes, SynHeaders& syn) {
  ByteReader reader(bytes);
  const auto first = reader.be<uint32_t>();
  syn.traffic_class = static_cast<uint8_t>(first >> 20);
  syn.flow_label = first & 0xfffff;
  reader.raw(2);
  auto next = reader.le<uint8_t>();
  syn.ttl = reader.le<uint8_t>();
  const ByteView address = reader.raw(16);
  reader.raw(16);
  if (!reader.ok()) return {};
  std::copy(address.begin(), address.end(), syn.source.address.begin());
  for (int i = 0; next != IPPROTO_TCP; ++i) {
    const bool known = next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS;
    if (!known || i == kExtensionHeadersMax) return {};
    next = reader.le<uint8_t>();
    const size_t units = reader.le<uint8_t>();  // of 8 bytes, beyond the first
    reader.raw(units * 8 + 6);
    if (!reader.ok()) return {};
  }
  return bytes.last(reader.left());
}

}  // namespace

std::optional<SynHeaders> parse_saved_syn(ByteView bytes) {
  if (bytes.empty()) return std::nullopt;
  SynHeaders syn;
  const unsigned version = bytes[0] >> 4;
  const ByteView tcp = version == 4 ? parse_v4(bytes, syn) : version == 6 ? parse_v6(bytes, syn) : ByteView();
  ByteReader reader(tcp);
  syn.source.port = reader.be<uint16_t>();
  reader.raw(2);
  syn.seq = reader.be<uint32_t>();
  reader.raw(4);
  const auto offset_and_flags = reader.be<uint16_t>();
  syn.flags = offset_and_flags & 0x1ff;
  syn.window = reader.be<uint16_t>();
  reader.raw(4);
  const size_t header_bytes = (offset_and_flags >> 12) * 4u;
  if (!reader.ok() || header_bytes < 20 || (syn.flags & kSynFlag) == 0) return std::nullopt;
  syn.options = reader.raw(header_bytes - 20);
  if (!reader.ok()) return std::nullopt;
  return syn;
}

}  // namespace skep::formats
