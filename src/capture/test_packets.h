// For tests: packets and captures made by hand.
#pragma once

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/result.h"
#include "capture/client_streams.h"

namespace skep::capture {

struct TestSegment {
  std::string from = "192.0.2.1:4000";
  std::string to = "192.0.2.2:80";
  uint32_t seq = 0;
  uint32_t ack = 0;
  std::string flags = "A";  // of S A F R
  std::string payload{};
  uint32_t missing = 0;  // bytes of it that the capture cut off

  bool has(char flag) const { return flags.find(flag) != std::string::npos; }
};

inline TcpSegment segment_of(const TestSegment& made) {
  TcpSegment segment;
  segment.source = parse_endpoint(made.from).value();
  segment.destination = parse_endpoint(made.to).value();
  segment.seq = made.seq;
  segment.ack = made.ack;
  segment.is_syn = made.has('S');
  segment.is_ack = made.has('A');
  segment.is_fin = made.has('F');
  segment.is_rst = made.has('R');
  segment.bytes = static_cast<uint32_t>(made.payload.size()) + made.missing;
  segment.payload = as_bytes(made.payload);
  return segment;
}

// From the IP header on.
inline Bytes ip_packet(const TestSegment& made) {
  const TcpSegment segment = segment_of(made);
  Bytes packet;
  ByteWriter out(packet);
  const auto carried = static_cast<uint16_t>(20 + segment.bytes);
  const bool v4 = segment.source.is_v4();
  if (v4) {
    out.be<uint16_t>(0x4500);
    out.be<uint16_t>(static_cast<uint16_t>(20 + carried));
    out.be<uint32_t>(0x00010000);
    out.be<uint32_t>(0x40060000);
  } else {
    out.be<uint32_t>(0x60000000);
    out.be<uint16_t>(carried);
    out.be<uint16_t>(0x0640);
  }
  for (const Endpoint* end : {&segment.source, &segment.destination})
    out.raw(ByteView(end->address).subspan(v4 ? 12 : 0));
  out.be<uint16_t>(segment.source.port);
  out.be<uint16_t>(segment.destination.port);
  out.be<uint32_t>(segment.seq);
  out.be<uint32_t>(segment.ack);
  out.be<uint16_t>(static_cast<uint16_t>(0x5000 | (segment.is_fin ? 1 : 0) | (segment.is_syn ? 2 : 0) |
                                         (segment.is_rst ? 4 : 0) | (segment.is_ack ? 16 : 0)));
  out.zeroes(6);
  out.raw(segment.payload);
  return packet;
}

// pcap of the classic kind. `link_type`: as files have it.
inline Bytes pcap_of(uint32_t link_type, const std::vector<Bytes>& packets) {
  Bytes file;
  ByteWriter out(file);
  out.le<uint32_t>(0xa1b2c3d4);
  out.le<uint32_t>(0x00040002);
  out.zeroes(8);
  out.le<uint32_t>(262'144);
  out.le<uint32_t>(link_type);
  for (const Bytes& packet : packets) {
    out.zeroes(8);
    out.le<uint32_t>(static_cast<uint32_t>(packet.size()));
    out.le<uint32_t>(static_cast<uint32_t>(packet.size()));
    out.raw(packet);
  }
  return file;
}

// What came, in words: "1 0 'abc'", "1 lost 3+5", "1 answered", "1 ended".
class Told : public StreamEvents {
 public:
  void sent(const Connection& connection, uint64_t offset, ByteView bytes) override {
    SKEP_CHECK(offset == streams[connection.number].size());
    streams[connection.number] += as_text(bytes);
    words.push_back(fmt::format("{} {} '{}'", connection.number, offset, as_text(bytes)));
  }
  void lost(const Connection& connection, uint64_t offset, uint64_t bytes) override {
    SKEP_CHECK(offset == streams[connection.number].size());
    streams[connection.number] += std::string(std::min<uint64_t>(bytes, 1 << 20), '?');
    words.push_back(fmt::format("{} lost {}+{}", connection.number, offset, bytes));
  }
  void answered(const Connection& connection) override {
    words.push_back(fmt::format("{} answered", connection.number));
  }
  void ended(const Connection& connection) override {
    ends.push_back(to_string(connection.client) + " > " + to_string(connection.server));
    words.push_back(fmt::format("{} ended", connection.number));
  }

  std::map<uint64_t, std::string> streams;  // by connection; '?' is a lost byte
  std::vector<std::string> words;
  std::vector<std::string> ends;  // of connections that have ended: who was client and who server
};

}  // namespace skep::capture
