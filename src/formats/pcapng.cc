#include "formats/pcapng.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>

namespace skep::formats {
namespace {

constexpr uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr uint32_t kInterface = 1;
constexpr uint32_t kEnhancedPacket = 6;
constexpr uint32_t kJournal = 9;
constexpr uint32_t kCustom = 0xbad;
constexpr uint32_t kPrivateNumber = 32473;  // for documentation (RFC 5612), until there is one of our own
constexpr uint16_t kComment = 1;
constexpr uint16_t kPacketFlags = 2;
constexpr uint16_t kInterfaceName = 2;
constexpr uint16_t kTimeResolution = 9;
constexpr uint32_t kSnapLength = 262144;
constexpr size_t kPayloadMax = 60000;  // below the 65535 of an IPv4 packet
constexpr size_t kCommentMax = 60000;

void option(Bytes& out, uint16_t code, ByteView value) {
  ByteWriter writer(out);
  writer.le(code);
  writer.le(static_cast<uint16_t>(value.size()));
  writer.raw(value);
  writer.zeroes((4 - value.size() % 4) % 4);
}

void comments_of(Bytes& out, const std::vector<std::string>& comments) {
  for (const std::string& comment : comments)
    option(out, kComment, as_bytes(std::string_view(comment).substr(0, kCommentMax)));
}

void end_of_options(Bytes& out) {
  ByteWriter(out).le(uint32_t{0});
}

// One's complement sum (RFC 1071) of bytes at an even offset.
uint32_t sum_words(ByteView bytes, uint32_t sum = 0) {
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) sum += static_cast<uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  if (bytes.size() % 2 == 1) sum += static_cast<uint32_t>(bytes.back() << 8);
  return sum;
}

uint16_t checksum(uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

void patch(Bytes& bytes, size_t at, uint16_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}

}  // namespace

PcapngWriter::PcapngWriter(Sink sink, const Endpoint& client, const Endpoint& server)
    : sink_(std::move(sink)), ends_{client, server} {}

bool PcapngWriter::block(uint32_t type, const Bytes& body) {
  Bytes out;
  ByteWriter writer(out);
  const auto padded = static_cast<uint32_t>((body.size() + 3) / 4 * 4);
  writer.le(type);
  writer.le(padded + 12);
  writer.raw(ByteView(body));
  writer.zeroes(padded - body.size());
  writer.le(padded + 12);
  return sink_(out);
}

bool PcapngWriter::begin(const std::vector<std::string>& comments) {
  Bytes body;
  ByteWriter writer(body);
  writer.le(uint32_t{0x1a2b3c4d});
  writer.le(uint16_t{1});
  writer.le(uint16_t{0});
  writer.le(~uint64_t{0});  // the section's length is not given
  comments_of(body, comments);
  option(body, 4, as_bytes("skep"));
  end_of_options(body);
  if (!block(kSectionHeader, body)) return false;
  body.clear();
  writer.le(uint16_t{1});  // Ethernet
  writer.le(uint16_t{0});
  writer.le(kSnapLength);
  option(body, kInterfaceName, as_bytes("outside"));
  const uint8_t nanoseconds = 9;
  option(body, kTimeResolution, {&nanoseconds, 1});
  end_of_options(body);
  return block(kInterface, body);
}

Bytes PcapngWriter::frame(Direction direction, uint8_t flags, ByteView payload) {
  const bool from_client = direction == Direction::to_bait;
  const size_t from = from_client ? 0 : 1;
  const Endpoint& source = ends_[from];
  const Endpoint& target = ends_[1 - from];
  const bool v4 = source.is_v4() && target.is_v4();
  Bytes out;
  ByteWriter writer(out);
  // Locally administered addresses: 02:… is the attacker's, 06:… the proxy's.
  const uint8_t macs[2][6] = {{2, 0, 0, 0, 0, 1}, {6, 0, 0, 0, 0, 2}};
  writer.raw(ByteView(macs[1 - from]));
  writer.raw(ByteView(macs[from]));
  writer.be(static_cast<uint16_t>(v4 ? 0x0800 : 0x86dd));
  const size_t ip_at = out.size();
  const auto tcp_bytes = static_cast<uint16_t>(20 + payload.size());
  if (v4) {
    writer.be(uint16_t{0x4500});
    writer.be(static_cast<uint16_t>(20 + tcp_bytes));
    writer.be(ip_id_++);
    writer.be(uint16_t{0x4000});
    writer.be(static_cast<uint16_t>(64 << 8 | IPPROTO_TCP));
    writer.be(uint16_t{0});
    writer.raw(ByteView(source.address).subspan(12));
    writer.raw(ByteView(target.address).subspan(12));
    patch(out, ip_at + 10, checksum(sum_words(ByteView(out).subspan(ip_at, 20))));
  } else {
    writer.be(uint32_t{0x60000000});
    writer.be(tcp_bytes);
    writer.be(static_cast<uint16_t>(IPPROTO_TCP << 8 | 64));
    writer.raw(ByteView(source.address));
    writer.raw(ByteView(target.address));
  }
  const size_t tcp_at = out.size();
  writer.be(source.port);
  writer.be(target.port);
  writer.be(next_seq_[from]);
  writer.be((flags & kAck) != 0 ? next_seq_[1 - from] : 0u);
  writer.be(static_cast<uint16_t>(5 << 12 | flags));
  writer.be(uint16_t{65535});
  writer.be(uint32_t{0});
  writer.raw(payload);
  const size_t skip = v4 ? 12 : 0;
  uint32_t sum = sum_words(ByteView(source.address).subspan(skip));
  sum = sum_words(ByteView(target.address).subspan(skip), sum);
  patch(out, tcp_at + 16, checksum(uint64_t{sum_words(ByteView(out).subspan(tcp_at))} + sum + IPPROTO_TCP + tcp_bytes));
  next_seq_[from] += static_cast<uint32_t>(payload.size()) + ((flags & (kSyn | kFin)) != 0 ? 1 : 0);
  return out;
}

bool PcapngWriter::packet(int64_t time_ns, Direction direction, uint8_t flags, ByteView payload,
                          const std::vector<std::string>& comments) {
  const Bytes bytes = frame(direction, flags, payload);
  Bytes body;
  ByteWriter writer(body);
  writer.le(uint32_t{0});
  writer.le(static_cast<uint32_t>(static_cast<uint64_t>(time_ns) >> 32));
  writer.le(static_cast<uint32_t>(time_ns));
  writer.le(static_cast<uint32_t>(bytes.size()));
  writer.le(static_cast<uint32_t>(bytes.size()));
  writer.raw(ByteView(bytes));
  writer.zeroes((4 - bytes.size() % 4) % 4);
  comments_of(body, comments);
  const uint8_t flag_bytes[4] = {static_cast<uint8_t>(direction == Direction::to_bait ? 1 : 2), 0, 0,
                                 0};  // inbound, outbound
  option(body, kPacketFlags, flag_bytes);
  end_of_options(body);
  return block(kEnhancedPacket, body);
}

bool PcapngWriter::connected(int64_t time_ns) {
  return packet(time_ns, Direction::to_bait, kSyn, {}, {}) &&
         packet(time_ns, Direction::to_client, kSyn | kAck, {}, {}) &&
         packet(time_ns, Direction::to_bait, kAck, {}, {});
}

bool PcapngWriter::data(int64_t time_ns, Direction direction, ByteView bytes,
                        const std::vector<std::string>& comments) {
  bool first = true;
  while (!bytes.empty()) {
    const ByteView piece = bytes.first(std::min(bytes.size(), kPayloadMax));
    if (!packet(time_ns, direction, kPsh | kAck, piece, first ? comments : std::vector<std::string>{})) return false;
    first = false;
    bytes = bytes.subspan(piece.size());
  }
  // Each is acknowledged at once: the proxy had it, or it would not be here.
  const Direction back = direction == Direction::to_bait ? Direction::to_client : Direction::to_bait;
  return finished_[static_cast<size_t>(back)] || packet(time_ns, back, kAck, {}, {});
}

bool PcapngWriter::finished(int64_t time_ns, Direction from) {
  if (finished_[static_cast<size_t>(from)]) return true;
  finished_[static_cast<size_t>(from)] = true;
  const Direction back = from == Direction::to_bait ? Direction::to_client : Direction::to_bait;
  return packet(time_ns, from, kFin | kAck, {}, {}) && packet(time_ns, back, kAck, {}, {});
}

bool PcapngWriter::reset(int64_t time_ns, Direction from) {
  return packet(time_ns, from, kRst | kAck, {}, {});
}

bool PcapngWriter::remark(int64_t time_ns, Direction from, const std::vector<std::string>& comments) {
  return packet(time_ns, from, kAck, {}, comments);
}

bool PcapngWriter::event(int64_t time_ns, const std::string& message, uint32_t pid, const std::string& comm,
                         int priority, const std::string& json) {
  const auto line = [](std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
  };
  const std::string entry =
      fmt::format("__REALTIME_TIMESTAMP={}\nPRIORITY={}\nSYSLOG_IDENTIFIER=skep\n_PID={}\n_COMM={}\nMESSAGE={}\n",
                  time_ns / 1000, priority, pid, line(comm), line(message));
  const ByteView bytes = as_bytes(entry);
  if (!block(kJournal, Bytes(bytes.begin(), bytes.end()))) return false;
  Bytes body;
  ByteWriter writer(body);
  writer.le(kPrivateNumber);
  writer.raw(std::string_view(json));
  return block(kCustom, body);
}

}  // namespace skep::formats
