// For tests: packets and captures made by hand.
#pragma once

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "base/result.h"
#include "capture/tcp_streams.h"

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

// From the IP header on, with what it carries still to come.
inline Bytes ip_header(const Endpoint& source, const Endpoint& destination, Protocol protocol, size_t carried) {
  Bytes packet;
  ByteWriter out(packet);
  const bool v4 = source.is_v4();
  if (v4) {
    out.be<uint16_t>(0x4500);
    out.be<uint16_t>(static_cast<uint16_t>(20 + carried));
    out.be<uint32_t>(0x00010000);
    out.be<uint16_t>(static_cast<uint16_t>(0x4000 | static_cast<unsigned>(protocol)));
    out.zeroes(2);
  } else {
    out.be<uint32_t>(0x60000000);
    out.be<uint16_t>(static_cast<uint16_t>(carried));
    out.be<uint16_t>(static_cast<uint16_t>(static_cast<unsigned>(protocol) << 8 | 0x40));
  }
  for (const Endpoint* end : {&source, &destination}) out.raw(ByteView(end->address).subspan(v4 ? 12 : 0));
  return packet;
}

inline Bytes ip_packet(const TestSegment& made) {
  const TcpSegment segment = segment_of(made);
  Bytes packet = ip_header(segment.source, segment.destination, Protocol::tcp, 20 + segment.bytes);
  ByteWriter out(packet);
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

struct TestDatagram {
  std::string from = "192.0.2.1:4000";
  std::string to = "192.0.2.2:53";
  std::string payload{};
  int64_t time_ns = 0;
};

inline Datagram datagram_of(const TestDatagram& made) {
  return {.source = parse_endpoint(made.from).value(),
          .destination = parse_endpoint(made.to).value(),
          .bytes = static_cast<uint32_t>(made.payload.size()),
          .time_ns = made.time_ns,
          .payload = as_bytes(made.payload)};
}

inline Bytes udp_packet(const TestDatagram& made) {
  const Datagram datagram = datagram_of(made);
  Bytes packet = ip_header(datagram.source, datagram.destination, Protocol::udp, 8 + datagram.bytes);
  ByteWriter out(packet);
  out.be<uint16_t>(datagram.source.port);
  out.be<uint16_t>(datagram.destination.port);
  out.be<uint16_t>(static_cast<uint16_t>(8 + datagram.bytes));
  out.zeroes(2);
  out.raw(datagram.payload);
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
  uint32_t microseconds = 0;  // one a packet
  for (const Bytes& packet : packets) {
    out.zeroes(4);
    out.le<uint32_t>(microseconds++);
    out.le<uint32_t>(static_cast<uint32_t>(packet.size()));
    out.le<uint32_t>(static_cast<uint32_t>(packet.size()));
    out.raw(packet);
  }
  return file;
}

// What came, in words: "1 0 'abc'", "1 lost 3+5" of the client, "1 < 0 'abc'" of the server; "1 finished", "1 ended".
class Told : public StreamEvents {
 public:
  void sent(const Connection& connection, Direction direction, uint64_t offset, ByteView bytes) override {
    go_on(connection, direction, offset) += as_text(bytes);
    words.push_back(fmt::format("{} {} '{}'", who(connection, direction), offset, as_text(bytes)));
  }
  void lost(const Connection& connection, Direction direction, uint64_t offset, uint64_t bytes) override {
    go_on(connection, direction, offset) += std::string(std::min<uint64_t>(bytes, 1 << 20), '?');
    words.push_back(fmt::format("{} lost {}+{}", who(connection, direction), offset, bytes));
  }
  void finished(const Connection& connection, Direction direction) override {
    words.push_back(who(connection, direction) + " finished");
  }
  void ended(const Connection& connection, EndReason reason) override {
    ends.push_back(to_string(connection.client) + " > " + to_string(connection.server));
    reasons.push_back(reason);
    words.push_back(fmt::format("{} ended", connection.number));
  }

  std::map<uint64_t, std::string> streams;  // of clients, by connection; '?' is a lost byte
  std::map<uint64_t, std::string> answers;  // of servers likewise
  std::vector<std::string> words;
  std::vector<std::string> ends;  // of connections that have ended: who was client and who server
  std::vector<EndReason> reasons;

 private:
  static std::string who(const Connection& connection, Direction direction) {
    return fmt::format("{}{}", connection.number, direction == Direction::to_bait ? "" : " <");
  }
  std::string& go_on(const Connection& connection, Direction direction, uint64_t offset) {
    std::string& stream = (direction == Direction::to_bait ? streams : answers)[connection.number];
    SKEP_CHECK(offset == stream.size());
    return stream;
  }
};

}  // namespace skep::capture
