#include "formats/proxy_header.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace skep::formats {
namespace {

using State = ProxyHeader::State;

constexpr std::string_view kLineStart = "PROXY ";
constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kFixedBytes = 16;  // of version 2: signature, version and command, family, length
constexpr uint8_t kCrcType = 3;     // PP2_TYPE_CRC32C

ProxyHeader refused(const char* why) {
  ProxyHeader header;
  header.state = State::refused;
  header.why = why;
  return header;
}

// As far as both go they are the same.
bool begins(std::string_view bytes, std::string_view with) {
  const size_t both = std::min(bytes.size(), with.size());
  return bytes.substr(0, both) == with.substr(0, both);
}

// Takes the next field off a line whose fields are separated by one blank each.
std::string_view take_field(std::string_view& line) {
  const size_t blank = line.find(' ');
  const std::string_view field = line.substr(0, blank);
  line = blank == std::string_view::npos ? std::string_view() : line.substr(blank + 1);
  return field;
}

bool read_address(std::string_view text, int family, Endpoint& out) {
  char copy[INET6_ADDRSTRLEN] = {};
  if (text.size() >= sizeof copy || text.find('\0') != std::string_view::npos) return false;
  std::copy(text.begin(), text.end(), copy);
  if (family == AF_INET) out.address[10] = out.address[11] = 0xff;
  return ::inet_pton(family, copy, out.address.data() + (family == AF_INET ? 12 : 0)) == 1;
}

bool read_port(std::string_view text, Endpoint& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.port);
  return error == std::errc{} && end == text.data() + text.size() && (text[0] != '0' || text.size() == 1);
}

// The line without its CR LF.
ProxyHeader read_line(std::string_view line, size_t bytes) {
  ProxyHeader header;
  header.state = State::whole;
  header.bytes = bytes;
  line.remove_prefix(kLineStart.size());
  const std::string_view protocol = take_field(line);
  if (protocol == "UNKNOWN") return header;  // whatever else it says
  if (protocol != "TCP4" && protocol != "TCP6") return refused("its protocol is none of TCP4, TCP6, UNKNOWN");
  const int family = protocol == "TCP4" ? AF_INET : AF_INET6;
  for (Endpoint* end : {&header.client, &header.entrance}) {
    if (!read_address(take_field(line), family, *end)) return refused("an address of it is none of its protocol");
  }
  if (!read_port(take_field(line), header.client) || line.empty() || !read_port(line, header.entrance))
    return refused("its ports are none");
  header.told = true;
  return header;
}

ProxyHeader read_version_1(std::string_view bytes) {
  const size_t end = bytes.substr(0, kProxyLineBytesMax).find('\n');
  if (end == std::string_view::npos)
    return bytes.size() < kProxyLineBytesMax ? ProxyHeader{} : refused("its line does not end within 107 bytes");
  if (bytes[end - 1] != '\r') return refused("its line ends without a carriage return");
  return read_line(bytes.substr(0, end - 1), end + 1);
}

uint32_t crc32c(uint32_t crc, uint8_t byte) {
  crc ^= byte;
  for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0u);
  return crc;
}

// Of the whole header, as if the four bytes at `sum` were zero.
bool sum_holds(ByteView header, size_t sum) {
  uint32_t crc = ~0u;
  for (size_t i = 0; i < header.size(); ++i) crc = crc32c(crc, i >= sum && i < sum + 4 ? uint8_t{0} : header[i]);
  uint32_t wanted = 0;
  for (size_t i = 0; i < 4; ++i) wanted = wanted << 8 | header[sum + i];
  return ~crc == wanted;
}

// What is appended behind the addresses: type, length, and so many bytes each. "": nothing is wrong with it.
const char* fault_of_appended(ByteView header, size_t at) {
  while (at < header.size()) {
    if (header.size() - at < 3) return "what is appended to it is cut";
    const size_t length = size_t{header[at + 1]} << 8 | header[at + 2];
    if (header.size() - at - 3 < length) return "what is appended to it is cut";
    if (header[at] == kCrcType && (length != 4 || !sum_holds(header, at + 3))) return "its checksum does not hold";
    at += 3 + length;
  }
  return "";
}

void read_ends(ByteView block, bool v4, ProxyHeader& header) {
  const size_t bytes = v4 ? 4 : 16;
  const uint8_t* at = block.data();
  for (Endpoint* end : {&header.client, &header.entrance}) {
    if (v4) end->address[10] = end->address[11] = 0xff;
    std::memcpy(end->address.data() + (16 - bytes), at, bytes);
    at += bytes;
  }
  header.client.port = static_cast<uint16_t>(at[0] << 8 | at[1]);
  header.entrance.port = static_cast<uint16_t>(at[2] << 8 | at[3]);
}

// Bytes of the addresses of a family, the upper half of the fourteenth byte: unspecified, IPv4, IPv6, Unix.
constexpr size_t kAddressBytes[] = {0, 12, 36, 216};

ProxyHeader read_version_2(ByteView bytes) {
  if (bytes.size() > 12 && bytes[12] != 0x20 && bytes[12] != 0x21)
    return refused("its version or command is none of version 2");
  const bool local = bytes.size() > 12 && bytes[12] == 0x20;  // then its addresses mean nothing
  if (!local && bytes.size() > 13 && (bytes[13] >> 4 >= int{std::size(kAddressBytes)} || (bytes[13] & 15) > 2))
    return refused("its family of addresses is none");
  if (bytes.size() < kFixedBytes) return {};
  const size_t length = size_t{bytes[14]} << 8 | bytes[15];
  if (kFixedBytes + length > kProxyHeaderBytesMax) return refused("it is longer than 4096 bytes");
  const size_t addresses = local || (bytes[13] & 15) == 0 ? 0 : kAddressBytes[bytes[13] >> 4];
  if (length < addresses) return refused("it is too short for its addresses");
  if (bytes.size() < kFixedBytes + length) return {};
  ProxyHeader header;
  header.state = State::whole;
  header.bytes = kFixedBytes + length;
  const ByteView whole = bytes.first(header.bytes);
  if (local) return header;
  // Where the family is unspecified its addresses are of no known length, and nothing behind them can be found.
  if (const char* why = addresses == 0 ? "" : fault_of_appended(whole, kFixedBytes + addresses); *why != '\0')
    return refused(why);
  header.told = bytes[13] == 0x11 || bytes[13] == 0x21;
  if (header.told) read_ends(whole.subspan(kFixedBytes), bytes[13] == 0x11, header);
  return header;
}

}  // namespace

ProxyHeader read_proxy_header(ByteView bytes) {
  const std::string_view text = as_text(bytes);
  if (bytes.empty()) return {};
  if (begins(text, kLineStart)) return bytes.size() < kLineStart.size() ? ProxyHeader{} : read_version_1(text);
  if (begins(text, kSignature)) return read_version_2(bytes);
  return refused("it begins as no PROXY header does");
}

}  // namespace skep::formats
