#include "capture/frame.h"

#include <netinet/in.h>
#include <pcap/dlt.h>

#include <algorithm>

namespace skep::capture {
namespace {

using Kind = Frame::Kind;

constexpr int kExtensionHeadersMax = 8;
constexpr int kVlanTagsMax = 4;
constexpr uint16_t kIp = 0x0800;
constexpr uint16_t kIpv6 = 0x86dd;
constexpr uint16_t kVlanTags[] = {0x8100, 0x88a8, 0x9100};

constexpr unsigned kFinFlag = 1;
constexpr unsigned kSynFlag = 2;
constexpr unsigned kRstFlag = 4;
constexpr unsigned kAckFlag = 16;

// What is known of a packet before its TCP or UDP header.
struct Packet {
  Endpoint source{};
  Endpoint destination{};
  uint8_t protocol = 0;
  size_t bytes = 0;  // from the TCP or UDP header on, as the IP header says; what is there may be less
};

// Ethernet pads what is short, and a capture may have cut what is long.
ByteView payload_of(ByteView there, size_t header_bytes, uint32_t bytes) {
  const ByteView payload = there.subspan(header_bytes);
  return payload.first(std::min<size_t>(payload.size(), bytes));
}

Frame read_tcp(ByteView there, const Packet& packet) {
  ByteReader reader(there);
  Frame frame;
  TcpSegment& segment = frame.segment;
  segment.source = packet.source;
  segment.destination = packet.destination;
  segment.source.port = reader.be<uint16_t>();
  segment.destination.port = reader.be<uint16_t>();
  segment.seq = reader.be<uint32_t>();
  segment.ack = reader.be<uint32_t>();
  const auto offset_and_flags = reader.be<uint16_t>();
  reader.raw(6);
  const size_t header_bytes = (offset_and_flags >> 12) * 4u;
  if (!reader.ok() || header_bytes < 20 || header_bytes > there.size() || header_bytes > packet.bytes)
    return {.kind = Kind::damaged};
  segment.is_fin = (offset_and_flags & kFinFlag) != 0;
  segment.is_syn = (offset_and_flags & kSynFlag) != 0;
  segment.is_rst = (offset_and_flags & kRstFlag) != 0;
  segment.is_ack = (offset_and_flags & kAckFlag) != 0;
  segment.bytes = static_cast<uint32_t>(packet.bytes - header_bytes);
  segment.payload = payload_of(there, header_bytes, segment.bytes);
  frame.kind = Kind::tcp;
  return frame;
}

Frame read_udp(ByteView there, const Packet& packet) {
  constexpr size_t kHeaderBytes = 8;
  ByteReader reader(there);
  Frame frame;
  Datagram& datagram = frame.datagram;
  datagram.source = packet.source;
  datagram.destination = packet.destination;
  datagram.source.port = reader.be<uint16_t>();
  datagram.destination.port = reader.be<uint16_t>();
  size_t bytes = reader.be<uint16_t>();
  reader.raw(2);
  if (bytes == 0) bytes = packet.bytes;  // a jumbogram, or the network card was to cut it
  if (!reader.ok() || bytes < kHeaderBytes || bytes > packet.bytes) return {.kind = Kind::damaged};
  datagram.bytes = static_cast<uint32_t>(bytes - kHeaderBytes);
  datagram.payload = payload_of(there, kHeaderBytes, datagram.bytes);
  frame.kind = Kind::udp;
  return frame;
}

Frame read_carried(ByteView there, const Packet& packet) {
  if (packet.protocol == IPPROTO_TCP) return read_tcp(there, packet);
  if (packet.protocol == IPPROTO_UDP) return read_udp(there, packet);
  return {};
}

Frame read_v4(ByteView bytes) {
  ByteReader reader(bytes);
  const size_t header_bytes = (reader.le<uint8_t>() & 15u) * 4u;
  reader.raw(1);
  size_t total = reader.be<uint16_t>();
  if (total == 0) total = bytes.size();  // the network card was to cut it into segments, and was captured before
  reader.raw(2);
  const auto fragment = reader.be<uint16_t>();
  reader.raw(1);
  const auto protocol = reader.le<uint8_t>();
  reader.raw(2);
  const ByteView source = reader.raw(4);
  const ByteView destination = reader.raw(4);
  if (!reader.ok() || header_bytes < 20 || header_bytes > bytes.size() || header_bytes > total)
    return {.kind = Kind::damaged};
  if ((fragment & 0x3fff) != 0) return {.kind = Kind::fragment};  // more of them, or not the first
  Packet packet{.protocol = protocol, .bytes = total - header_bytes};
  for (const auto& [from, to] : {std::pair(source, &packet.source), std::pair(destination, &packet.destination)}) {
    to->address[10] = to->address[11] = 0xff;
    std::copy(from.begin(), from.end(), to->address.begin() + 12);
  }
  return read_carried(bytes.subspan(header_bytes), packet);
}

Frame read_v6(ByteView bytes) {
  ByteReader reader(bytes);
  reader.raw(4);
  size_t carried = reader.be<uint16_t>();
  auto next = reader.le<uint8_t>();
  reader.raw(1);
  const ByteView source = reader.raw(16);
  const ByteView destination = reader.raw(16);
  if (!reader.ok()) return {.kind = Kind::damaged};
  if (carried == 0) carried = reader.left();
  for (int i = 0; next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS; ++i) {
    if (i == kExtensionHeadersMax) return {.kind = Kind::damaged};
    next = reader.le<uint8_t>();
    const size_t bytes_more = reader.le<uint8_t>() * size_t{8} + 6;
    reader.raw(bytes_more);
    if (!reader.ok() || bytes_more + 2 > carried) return {.kind = Kind::damaged};
    carried -= bytes_more + 2;
  }
  if (next == IPPROTO_FRAGMENT) return {.kind = Kind::fragment};
  Packet packet{.protocol = next, .bytes = carried};
  std::copy(source.begin(), source.end(), packet.source.address.begin());
  std::copy(destination.begin(), destination.end(), packet.destination.address.begin());
  return read_carried(bytes.last(reader.left()), packet);
}

Frame read_ip(ByteView bytes) {
  if (bytes.empty()) return {.kind = Kind::damaged};
  const unsigned version = bytes[0] >> 4;
  return version == 4 ? read_v4(bytes) : version == 6 ? read_v6(bytes) : Frame{};
}

// What follows a link header that names it, VLAN tags passed over.
Frame read_type(uint16_t type, ByteReader reader, ByteView bytes) {
  for (int i = 0; i < kVlanTagsMax && std::ranges::count(kVlanTags, type) != 0; ++i) {
    reader.raw(2);
    type = reader.be<uint16_t>();
  }
  if (!reader.ok()) return {.kind = Kind::damaged};
  return type == kIp || type == kIpv6 ? read_ip(bytes.last(reader.left())) : Frame{};
}

// The type stands behind `before` bytes, and what it is of behind `after` more.
Frame read_link(ByteView bytes, size_t before, size_t after) {
  ByteReader reader(bytes);
  reader.raw(before);
  const auto type = reader.be<uint16_t>();
  reader.raw(after);
  return read_type(type, reader, bytes);
}

Frame read_ethernet(ByteView bytes) {
  return read_link(bytes, 12, 0);
}
Frame read_cooked(ByteView bytes) {
  return read_link(bytes, 14, 0);
}
Frame read_cooked2(ByteView bytes) {
  return read_link(bytes, 0, 18);
}
// The family's number differs from system to system: the IP header says it too.
Frame read_loopback(ByteView bytes) {
  return bytes.size() < 4 ? Frame{.kind = Kind::damaged} : read_ip(bytes.subspan(4));
}

struct Link {
  int type;
  Frame (*read)(ByteView bytes);
};
constexpr int kRawInFiles = 101;  // what a file says for DLT_RAW, whose own number differs from system to system
constexpr Link kLinks[] = {{DLT_EN10MB, read_ethernet}, {DLT_LINUX_SLL, read_cooked}, {DLT_LINUX_SLL2, read_cooked2},
                           {DLT_NULL, read_loopback},   {DLT_LOOP, read_loopback},    {DLT_RAW, read_ip},
                           {kRawInFiles, read_ip},      {DLT_IPV4, read_ip},          {DLT_IPV6, read_ip}};

}  // namespace

bool knows_link_type(int link_type) {
  return std::ranges::count(kLinks, link_type, &Link::type) != 0;
}

Frame read_frame(int link_type, ByteView bytes) {
  const auto* const link = std::ranges::find(kLinks, link_type, &Link::type);
  return link == std::end(kLinks) ? Frame{} : link->read(bytes);
}

}  // namespace skep::capture
