// links: skep_formats
// pcapng by round trip: whatever is written, every block's two lengths agree and the payload bytes come out again in
// order; over TCP, and as one datagram.
#include <algorithm>

#include "base/result.h"
#include "formats/pcapng.h"

namespace {

using namespace skep;

void round_trip(Protocol protocol, size_t header_bytes, ByteView payload) {
  Bytes file;
  formats::PcapngWriter writer(
      [&](ByteView bytes) {
        file.insert(file.end(), bytes.begin(), bytes.end());
        return true;
      },
      *parse_endpoint("192.0.2.1:1"), *parse_endpoint("192.0.2.2:80"), protocol);
  writer.begin({std::string(as_text(payload))});
  writer.connected(1);
  writer.data(2, Direction::to_bait, 0, payload, {"comment"});
  writer.journal({3, 1, 1, "comm", std::string(as_text(payload)), {}});
  writer.custom(as_text(payload));
  writer.finished(4, Direction::to_bait);
  Bytes found;
  ByteReader reader(file);
  while (reader.left() > 0) {
    const auto type = reader.le<uint32_t>();
    const auto length = reader.le<uint32_t>();
    SKEP_CHECK(reader.ok() && length >= 12 && length % 4 == 0);
    const ByteView body = reader.raw(length - 12);
    SKEP_CHECK(reader.le<uint32_t>() == length && reader.ok());
    if (type != 6) continue;
    ByteReader packet(body);
    packet.raw(12);
    const auto captured = packet.le<uint32_t>();
    packet.le<uint32_t>();
    const ByteView frame = packet.raw(captured);
    const ByteView carried = frame.subspan(14 + 20 + header_bytes);
    found.insert(found.end(), carried.begin(), carried.end());
  }
  SKEP_CHECK(std::equal(found.begin(), found.end(), payload.begin(), payload.end()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kDatagramMax = 65'507;
  const ByteView payload(data, size);
  round_trip(Protocol::tcp, 20, payload);
  round_trip(Protocol::udp, 8, payload.first(std::min(size, kDatagramMax)));
  return 0;
}
