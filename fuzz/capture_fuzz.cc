// links: skep_capture
// A capture of any bytes, and the same bytes as packets that a capture would have held: nothing is read beyond its end,
// each client's stream comes without holes but those that are said, and what waits stays within its bounds.
#include <map>
#include <set>

#include "capture/capture_file.h"

namespace {

using namespace skep;
using namespace skep::capture;

class Held : public StreamEvents {
 public:
  void sent(const Connection& connection, uint64_t offset, ByteView bytes) override {
    SKEP_CHECK(!bytes.empty());
    go_on(connection, offset, bytes.size());
  }
  void lost(const Connection& connection, uint64_t offset, uint64_t bytes) override {
    SKEP_CHECK(bytes > 0);
    go_on(connection, offset, bytes);
  }
  void answered(const Connection& connection) override { SKEP_CHECK(ended_.count(connection.number) == 0); }
  void ended(const Connection& connection) override { SKEP_CHECK(ended_.insert(connection.number).second); }
  size_t ended() const { return ended_.size(); }

 private:
  void go_on(const Connection& connection, uint64_t offset, uint64_t bytes) {
    SKEP_CHECK(ended_.count(connection.number) == 0 && next_[connection.number] == offset);
    next_[connection.number] += bytes;
  }
  std::map<uint64_t, uint64_t> next_;
  std::set<uint64_t> ended_;
};

constexpr StreamLimits kLimits{.connections = 4, .early_bytes = 600, .all_early_bytes = 1000};

void read_file(const uint8_t* data, size_t size) {
  std::FILE* const file = ::fmemopen(const_cast<uint8_t*>(data), size, "r");
  if (file == nullptr) return;
  Held held;
  ClientStreams streams(held, kLimits);
  const auto read = read_capture(file, streams);
  SKEP_CHECK(streams.bytes_held() == 0 && held.ended() == streams.counts().connections);
  if (read) SKEP_CHECK(read->counts.packets >= read->counts.tcp);
}

// A link's number, then packets, each with its length before it.
void read_packets(const uint8_t* data, size_t size) {
  constexpr int kLinks[] = {1, 113, 276, 0, 108, 101};
  ByteReader reader(ByteView(data, size));
  const int link = kLinks[reader.le<uint8_t>() % std::size(kLinks)];
  Held held;
  ClientStreams streams(held, kLimits);
  while (reader.left() > 1) {
    const size_t bytes = std::min<size_t>(reader.le<uint8_t>(), reader.left());
    const Frame frame = read_frame(link, reader.raw(bytes));
    if (frame.kind == Frame::Kind::tcp) streams.take(frame.segment);
    SKEP_CHECK(streams.bytes_held() <= kLimits.all_early_bytes);
  }
  streams.finish();
  SKEP_CHECK(streams.bytes_held() == 0 && held.ended() == streams.counts().connections);
}

// Every 8 bytes a segment of one of few connections, near the beginning: the order of pieces is what varies.
void read_segments(const uint8_t* data, size_t size) {
  static constexpr uint8_t kPayload[256] = {};
  Held held;
  ClientStreams streams(held, kLimits);
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
