// links: skep_capture
// A capture of any bytes, and the same bytes as packets that a capture would have held: nothing is read beyond its end,
// each direction of each connection comes without holes but those that are said, and what waits stays within its
// bounds.
#include <map>
#include <utility>

#include "capture/capture_file.h"

namespace {

using namespace skep;
using namespace skep::capture;

class Held : public StreamEvents {
 public:
  void sent(const Connection& connection, Direction direction, uint64_t offset, ByteView bytes) override {
    SKEP_CHECK(!bytes.empty() || connection.protocol == Protocol::udp);
    go_on(connection, direction, offset, bytes.size());
  }
  void lost(const Connection& connection, Direction direction, uint64_t offset, uint64_t bytes) override {
    SKEP_CHECK(bytes > 0);
    go_on(connection, direction, offset, bytes);
  }
  void finished(const Connection& connection, Direction direction) override {
    SKEP_CHECK(!of(connection).ended && !std::exchange(of(connection).finished[static_cast<size_t>(direction)], true));
  }
  void ended(const Connection& connection, EndReason) override {
    SKEP_CHECK(!std::exchange(of(connection).ended, true));
    ++ended_;
  }
  size_t ended() const { return ended_; }

 private:
  struct Seen {
    uint64_t next[2] = {0, 0};
    bool finished[2] = {false, false};
    bool ended = false;
  };
  Seen& of(const Connection& connection) { return seen_[{connection.protocol, connection.number}]; }
  void go_on(const Connection& connection, Direction direction, uint64_t offset, uint64_t bytes) {
    const auto side = static_cast<size_t>(direction);
    Seen& seen = of(connection);
    SKEP_CHECK(!seen.ended && !seen.finished[side] && seen.next[side] == offset);
    seen.next[side] += bytes;
  }
  std::map<std::pair<Protocol, uint64_t>, Seen> seen_;
  size_t ended_ = 0;
};

constexpr DatagramLimits kDatagramLimits{.sessions = 4, .silence_ns = 1000};
constexpr StreamLimits kLimits{.connections = 4, .early_bytes = 600, .all_early_bytes = 1000};

void read_file(const uint8_t* data, size_t size) {
  std::FILE* const file = ::fmemopen(const_cast<uint8_t*>(data), size, "r");
  if (file == nullptr) return;
  Held held;
  TcpStreams streams(held, kLimits);
  DatagramSessions datagrams(held, kDatagramLimits);
  const auto read = read_capture(file, streams, &datagrams);
  SKEP_CHECK(streams.bytes_held() == 0);
  SKEP_CHECK(held.ended() == streams.counts().connections + datagrams.counts().sessions);
  if (read) SKEP_CHECK(read->counts.packets >= read->counts.tcp + read->counts.udp);
}

// A link's number, then packets, each with its length before it.
void read_packets(const uint8_t* data, size_t size) {
  constexpr int kLinks[] = {1, 113, 276, 0, 108, 101};
  ByteReader reader(ByteView(data, size));
  const int link = kLinks[reader.le<uint8_t>() % std::size(kLinks)];
  Held held;
  TcpStreams streams(held, kLimits);
  DatagramSessions datagrams(held, kDatagramLimits);
  for (int64_t time_ns = 0; reader.left() > 1; time_ns += 300) {
    const size_t bytes = std::min<size_t>(reader.le<uint8_t>(), reader.left());
    Frame frame = read_frame(link, reader.raw(bytes));
    frame.datagram.time_ns = time_ns;
    if (frame.kind == Frame::Kind::tcp) streams.take(frame.segment);
    if (frame.kind == Frame::Kind::udp) datagrams.take(frame.datagram);
    SKEP_CHECK(streams.bytes_held() <= kLimits.all_early_bytes);
  }
  streams.finish();
  datagrams.finish();
  SKEP_CHECK(streams.bytes_held() == 0);
  SKEP_CHECK(held.ended() == streams.counts().connections + datagrams.counts().sessions);
}

// Every 8 bytes a segment of one of few connections, near the beginning: the order of pieces is what varies.
void read_segments(const uint8_t* data, size_t size) {
  static constexpr uint8_t kPayload[256] = {};
  Held held;
  TcpStreams streams(held, kLimits);
  for (ByteReader reader(ByteView(data, size)); reader.left() >= 8;) {
    TcpSegment segment;
    const auto what = reader.le<uint8_t>();
    segment.source.port = static_cast<uint16_t>(1 + what % 3);
    segment.destination.port = static_cast<uint16_t>(1 + what / 3 % 3);
    const auto flags = reader.le<uint8_t>();
    segment.is_syn = (flags & 0x70) == 0x70;
    segment.is_fin = (flags & 7) == 7;
    segment.is_rst = (flags & 0x1f) == 0x1f;
    segment.is_ack = flags >= 0x80;
    segment.seq = 0xffffff00U + reader.le<uint16_t>() % 1024;
    segment.ack = 0xffffff00U + reader.le<uint16_t>() % 1024;
    segment.payload = ByteView(kPayload).first(reader.le<uint8_t>());
    segment.bytes = static_cast<uint32_t>(segment.payload.size()) + (reader.le<uint8_t>() > 250 ? 9 : 0);
    streams.take(segment);
    SKEP_CHECK(streams.bytes_held() <= kLimits.all_early_bytes);
  }
  streams.finish();
  SKEP_CHECK(streams.bytes_held() == 0 && held.ended() == streams.counts().connections);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  read_file(data, size);
  read_packets(data, size);
  read_segments(data, size);
  return 0;
}
