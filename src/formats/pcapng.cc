#include "formats/pcapng.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

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
constexpr uint16_t kApplication = 4;
constexpr uint16_t kTimeResolution = 9;
constexpr uint32_t kSnapLength = 262144;
constexpr size_t kPayloadMax = 60000;  // below the 65535 of an IPv4 packet
constexpr size_t kUdpHeaderBytes = 8;
constexpr size_t kUdpPayloadMax = 65535 - kUdpHeaderBytes;  // over IPv6; over IPv4 there are its 20 bytes less
constexpr size_t kCommentMax = 60000;                       // an option's length has 16 bits
constexpr uint32_t kClientSeq = 1000;                       // where the SYN is not known
constexpr uint32_t kServerSeq = 2000;                       // the kernel does not tell it
constexpr uint16_t kCongestionFlags = 0x1c0;

// At a character's end, for a comment is UTF-8.
std::string_view cut_text(std::string_view text) {
  if (text.size() <= kCommentMax) return text;
  size_t end = kCommentMax;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

void option(Bytes& out, uint16_t code, ByteView value) {
  ByteWriter writer(out);
  writer.le(code);
  writer.le(static_cast<uint16_t>(value.size()));
  writer.raw(value);
  writer.zeroes((4 - value.size() % 4) % 4);
}

void comments_of(Bytes& out, const Comments& comments) {
  for (const std::string& comment : comments) option(out, kComment, as_bytes(cut_text(comment)));
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

void patch_little(Bytes& bytes, size_t at, uint32_t value) {
  for (size_t i = 0; i < sizeof value; ++i) bytes[at + i] = static_cast<uint8_t>(value >> (8 * i));
}

Direction opposite(Direction direction) {
  return direction == Direction::to_bait ? Direction::to_client : Direction::to_bait;
}

}  // namespace

PcapngWriter::PcapngWriter(Sink sink, const Endpoint& client, const Endpoint& server, Protocol protocol)
    : sink_(std::move(sink)),
      ends_{client, server},
      protocol_(protocol),
      first_seq_{kClientSeq, kServerSeq},
      next_seq_{kClientSeq, kServerSeq} {}

void PcapngWriter::begin_block(uint32_t type) {
  block_.clear();
  ByteWriter writer(block_);
  writer.le(type);
  writer.le(uint32_t{0});  // its length, once that is known
}

bool PcapngWriter::end_block() {
  ByteWriter writer(block_);
  writer.zeroes((4 - block_.size() % 4) % 4);
  const auto bytes = static_cast<uint32_t>(block_.size() + 4);
  writer.le(bytes);
  patch_little(block_, 4, bytes);
  return sink_(block_);
}

bool PcapngWriter::begin(const Comments& comments) {
  begin_block(kSectionHeader);
  ByteWriter writer(block_);
  writer.le(uint32_t{0x1a2b3c4d});
  writer.le(uint16_t{1});
  writer.le(uint16_t{0});
  writer.le(~uint64_t{0});  // the section's length is not given
  comments_of(block_, comments);
  option(block_, kApplication, as_bytes("skep"));
  end_of_options(block_);
  if (!end_block()) return false;
  begin_block(kInterface);
  writer.le(uint16_t{1});  // Ethernet
  writer.le(uint16_t{0});
  writer.le(kSnapLength);
  option(block_, kInterfaceName, as_bytes("outside"));
  const uint8_t nanoseconds = 9;
  option(block_, kTimeResolution, {&nanoseconds, 1});
  end_of_options(block_);
  return end_block();
}

void PcapngWriter::ip_header(const Packet& packet, bool v4, uint16_t carried_bytes) {
  const size_t from = static_cast<size_t>(packet.direction);
  const SynHeaders plain;
  const SynHeaders& syn = packet.syn != nullptr ? *packet.syn : plain;
  const size_t ip_at = block_.size();
  ByteWriter writer(block_);
  if (!v4) {
    writer.be(6u << 28 | uint32_t{syn.traffic_class} << 20 | syn.flow_label);
    writer.be(carried_bytes);
    writer.be(static_cast<uint8_t>(protocol_));
    writer.be(syn.ttl);
    writer.raw(ByteView(ends_[from].address));
    writer.raw(ByteView(ends_[1 - from].address));
    return;
  }
  writer.be(static_cast<uint16_t>(0x4500 | syn.traffic_class));
  writer.be(static_cast<uint16_t>(20 + carried_bytes));
  writer.be(packet.syn != nullptr ? syn.ip_id : ip_id_++);
  writer.be(static_cast<uint16_t>(syn.dont_fragment ? 0x4000 : 0));
  writer.be(syn.ttl);
  writer.be(static_cast<uint8_t>(protocol_));
  writer.be(uint16_t{0});
  writer.raw(ByteView(ends_[from].address).subspan(12));
  writer.raw(ByteView(ends_[1 - from].address).subspan(12));
  patch(block_, ip_at + 10, checksum(sum_words(ByteView(block_).subspan(ip_at, 20))));
}

// Both without their checksum, and what they carry.
void PcapngWriter::tcp_header(const Packet& packet) {
  const size_t from = static_cast<size_t>(packet.direction);
  const ByteView options = packet.syn != nullptr ? packet.syn->options : ByteView();
  ByteWriter writer(block_);
  writer.be(ends_[from].port);
  writer.be(ends_[1 - from].port);
  writer.be(packet.seq);
  writer.be((packet.flags & kAck) != 0 ? next_seq_[1 - from] : 0u);
  writer.be(static_cast<uint16_t>((5 + options.size() / 4) << 12 | packet.flags));
  writer.be(packet.syn != nullptr ? packet.syn->window : uint16_t{65535});
  writer.be(uint32_t{0});
  writer.raw(options);
}

void PcapngWriter::udp_header(const Packet& packet) {
  const size_t from = static_cast<size_t>(packet.direction);
  ByteWriter writer(block_);
  writer.be(ends_[from].port);
  writer.be(ends_[1 - from].port);
  writer.be(static_cast<uint16_t>(kUdpHeaderBytes + packet.payload.size()));
  writer.be(uint16_t{0});
}

void PcapngWriter::frame(const Packet& packet) {
  const size_t from = static_cast<size_t>(packet.direction);
  const bool udp = protocol_ == Protocol::udp;
  const bool v4 = is_v4();
  const size_t header_bytes = udp ? kUdpHeaderBytes : 20 + (packet.syn != nullptr ? packet.syn->options.size() : 0);
  const auto carried_bytes = static_cast<uint16_t>(header_bytes + packet.payload.size());
  ByteWriter writer(block_);
  // Locally administered addresses: 02:… is the attacker's, 06:… the proxy's.
  const uint8_t macs[2][6] = {{2, 0, 0, 0, 0, 1}, {6, 0, 0, 0, 0, 2}};
  writer.raw(ByteView(macs[1 - from]));
  writer.raw(ByteView(macs[from]));
  writer.be(static_cast<uint16_t>(v4 ? 0x0800 : 0x86dd));
  ip_header(packet, v4, carried_bytes);
  const size_t header_at = block_.size();
  udp ? udp_header(packet) : tcp_header(packet);
  writer.raw(packet.payload);
  uint64_t sum = static_cast<uint64_t>(protocol_) + carried_bytes;
  for (const Endpoint& end : ends_) sum += sum_words(ByteView(end.address).subspan(v4 ? 12 : 0));
  const uint16_t check = checksum(sum + sum_words(ByteView(block_).subspan(header_at)));
  // Of UDP, zero would say that there is none (RFC 768).
  patch(block_, header_at + (udp ? 6 : 16), udp && check == 0 ? uint16_t{0xffff} : check);
}

bool PcapngWriter::packet(const Packet& packet) {
  begin_block(kEnhancedPacket);
  ByteWriter writer(block_);
  writer.le(uint32_t{0});
  writer.le(static_cast<uint32_t>(static_cast<uint64_t>(packet.time_ns) >> 32));
  writer.le(static_cast<uint32_t>(packet.time_ns));
  const size_t lengths_at = block_.size();
  writer.zeroes(8);
  const size_t frame_at = block_.size();
  frame(packet);
  const auto bytes = static_cast<uint32_t>(block_.size() - frame_at);
  patch_little(block_, lengths_at, bytes);
  patch_little(block_, lengths_at + 4, bytes);
  writer.zeroes((4 - bytes % 4) % 4);
  if (packet.comments != nullptr) comments_of(block_, *packet.comments);
  const uint8_t inbound_or_outbound[4] = {static_cast<uint8_t>(packet.direction == Direction::to_bait ? 1 : 2), 0, 0,
                                          0};
  option(block_, kPacketFlags, inbound_or_outbound);
  end_of_options(block_);
  return end_block();
}

// A packet without bytes; SYN and FIN count as one.
bool PcapngWriter::flag(int64_t time_ns, Direction direction, uint16_t flags, const Comments* comments) {
  const bool written = packet({time_ns, direction, flags, next(direction), {}, comments, nullptr});
  if ((flags & (kSyn | kFin)) != 0) ++next(direction);
  return written;
}

bool PcapngWriter::connected(int64_t time_ns, const std::optional<SynHeaders>& syn) {
  if (protocol_ == Protocol::udp) return true;
  if (syn && syn->source == ends_[0]) {
    first_seq_[0] = next_seq_[0] = syn->seq;
    const auto flags = static_cast<uint16_t>((syn->flags & kCongestionFlags) | kSyn);
    if (!packet({time_ns, Direction::to_bait, flags, next_seq_[0]++, {}, nullptr, &*syn})) return false;
  } else if (!flag(time_ns, Direction::to_bait, kSyn)) {
    return false;
  }
  return flag(time_ns, Direction::to_client, kSyn | kAck) && flag(time_ns, Direction::to_bait, kAck);
}

bool PcapngWriter::data(int64_t time_ns, Direction direction, uint64_t stream_offset, ByteView bytes,
                        const Comments& comments) {
  if (protocol_ == Protocol::udp) return datagram(time_ns, direction, bytes, comments);
  if (bytes.empty()) return true;
  const Comments* at_first = &comments;
  // The sequence number counts modulo 2^32, as TCP's does.
  next(direction) = first_seq_[static_cast<size_t>(direction)] + 1 + static_cast<uint32_t>(stream_offset);
  while (!bytes.empty()) {
    const ByteView piece = bytes.first(std::min(bytes.size(), kPayloadMax));
    if (!packet({time_ns, direction, kPsh | kAck, next(direction), piece, at_first, nullptr})) return false;
    next(direction) += static_cast<uint32_t>(piece.size());
    at_first = nullptr;
    bytes = bytes.subspan(piece.size());
  }
  // Acknowledged at once: the proxy had it, or it would not be here.
  return flag(time_ns, opposite(direction), kAck);
}

bool PcapngWriter::datagram(int64_t time_ns, Direction direction, ByteView bytes, const Comments& comments) {
  const size_t most = kUdpPayloadMax - (is_v4() ? 20 : 0);
  if (bytes.size() <= most) return packet({time_ns, direction, 0, 0, bytes, &comments, nullptr});
  Comments more = comments;
  more.push_back(
      fmt::format("skep: {} bytes were recorded, which no datagram holds: the rest is left out", bytes.size()));
  return packet({time_ns, direction, 0, 0, bytes.first(most), &more, nullptr});
}

bool PcapngWriter::finished(int64_t time_ns, Direction from) {
  if (protocol_ == Protocol::udp) return true;
  if (std::exchange(finished_[static_cast<size_t>(from)], true)) return true;
  return flag(time_ns, from, kFin | kAck) && flag(time_ns, opposite(from), kAck);
}

bool PcapngWriter::reset(int64_t time_ns, Direction from) {
  return protocol_ == Protocol::udp || flag(time_ns, from, kRst | kAck);
}

bool PcapngWriter::remark(int64_t time_ns, Direction from, const Comments& comments) {
  return protocol_ == Protocol::udp || flag(time_ns, from, kAck, &comments);
}

bool PcapngWriter::journal(const JournalEntry& entry) {
  const auto line = [](std::string text) {
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
  };
  std::string text = fmt::format("__REALTIME_TIMESTAMP={}\nPRIORITY={}\nSYSLOG_IDENTIFIER=skep\n", entry.time_ns / 1000,
                                 entry.priority);
  if (entry.pid != 0) text += fmt::format("_PID={}\n", entry.pid);
  if (!entry.comm.empty()) text += fmt::format("_COMM={}\n", line(entry.comm));
  for (const auto& [name, value] : entry.fields) text += fmt::format("{}={}\n", name, line(value));
  text += fmt::format("MESSAGE={}\n", line(entry.message));
  begin_block(kJournal);
  ByteWriter(block_).raw(std::string_view(text));
  return end_block();
}

bool PcapngWriter::custom(std::string_view json) {
  begin_block(kCustom);
  ByteWriter writer(block_);
  writer.le(kPrivateNumber);
  writer.raw(json);
  return end_block();
}

}  // namespace skep::formats
