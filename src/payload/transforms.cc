#include "payload/transforms.h"

#include <openssl/evp.h>

#include <algorithm>
#include <utility>

#include "base/ascii.h"
#include "base/result.h"

namespace skep::payload {

using formats::Transform;

namespace {

Bytes url_decoded(const Bytes& in) {
  Bytes out;
  out.reserve(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    const int high = in[i] == '%' && i + 2 < in.size() ? hex_digit(in[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(in[i + 2]) : -1;
    if (low >= 0) {
      out.push_back(static_cast<uint8_t>(high * 16 + low));
      i += 2;
    } else {
      out.push_back(in[i] == '+' ? ' ' : in[i]);
    }
  }
  return out;
}

void compress_whitespace(Bytes& bytes) {
  const auto both = [](uint8_t before, uint8_t after) { return is_space(before) && is_space(after); };
  bytes.erase(std::unique(bytes.begin(), bytes.end(), both), bytes.end());
}

// Names, not values.
void header_lowercase(Bytes& bytes) {
  bool name = true;
  for (uint8_t& byte : bytes) {
    const uint8_t end = name ? ':' : '\n';
    if (byte == end)
      name = !name;
    else if (name)
      byte = lower(byte);
  }
}

// The lines that begin with a colon, which HTTP/2 has. Suricata passes over empty lines in seeking a line's beginning.
Bytes without_pseudo_headers(const Bytes& in) {
  Bytes out;
  bool beginning = true;
  bool pseudo = false;
  for (const uint8_t byte : in) {
    if (beginning && byte != '\r' && byte != '\n') {
      beginning = false;
      pseudo = byte == ':';
    } else if (!beginning && byte == '\n') {
      beginning = true;
      if (std::exchange(pseudo, false)) continue;
    }
    if (!pseudo) out.push_back(byte);
  }
  return out;
}

Bytes digest(const Bytes& in, const EVP_MD* kind) {
  Bytes out(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  SKEP_CHECK(EVP_Digest(in.data(), in.size(), out.data(), &size, kind, nullptr) == 1);
  out.resize(size);
  return out;
}

void apply(Bytes& bytes, Transform transform) {
  switch (transform) {
    case Transform::dotprefix:
      if (!bytes.empty()) bytes.insert(bytes.begin(), '.');
      break;
    case Transform::url_decode:
      bytes = url_decoded(bytes);
      break;
    case Transform::strip_whitespace:
      std::erase_if(bytes, is_space);
      break;
    case Transform::compress_whitespace:
      compress_whitespace(bytes);
      break;
    case Transform::to_lowercase:
      std::ranges::transform(bytes, bytes.begin(), lower);
      break;
    case Transform::to_uppercase:
      std::ranges::transform(bytes, bytes.begin(), upper);
      break;
    case Transform::header_lowercase:
      header_lowercase(bytes);
      break;
    case Transform::to_md5:
      bytes = digest(bytes, EVP_md5());
      break;
    case Transform::to_sha1:
      bytes = digest(bytes, EVP_sha1());
      break;
    case Transform::to_sha256:
      bytes = digest(bytes, EVP_sha256());
      break;
    case Transform::strip_pseudo_headers:
      bytes = without_pseudo_headers(bytes);
      break;
  }
}

int base64_value(uint8_t byte) {
  if (byte >= 'A' && byte <= 'Z') return byte - 'A';
  if (byte >= 'a' && byte <= 'z') return byte - 'a' + 26;
  if (byte >= '0' && byte <= '9') return byte - '0' + 52;
  if (byte == '+') return 62;
  return byte == '/' ? 63 : -1;
}

// The first `count` of the bytes that four values make.
void append_block(Bytes& out, const uint8_t (&values)[4], size_t count) {
  const uint8_t bytes[] = {static_cast<uint8_t>(values[0] << 2 | values[1] >> 4),
                           static_cast<uint8_t>(values[1] << 4 | values[2] >> 2),
                           static_cast<uint8_t>(values[2] << 6 | values[3])};
  out.insert(out.end(), bytes, bytes + count);
}

}  // namespace

Bytes transformed(ByteView bytes, std::span<const Transform> transforms) {
  Bytes out(bytes.begin(), bytes.end());
  for (const Transform transform : transforms) apply(out, transform);
  return out;
}

Bytes base64_decoded(ByteView bytes) {
  Bytes out;
  uint8_t block[4] = {};
  size_t filled = 0;
  size_t padding = 0;
  bool to_the_end = true;
  for (const uint8_t byte : bytes) {
    const int value = base64_value(byte);
    if (value < 0 && byte != '=') {
      to_the_end = false;
      break;
    }
    if (value < 0) ++padding;
    block[filled++] = value < 0 ? 0 : static_cast<uint8_t>(value);
    if (filled < 4) continue;
    append_block(out, block, padding < 3 ? 3 - padding : 0);
    std::ranges::fill(block, 0);
    filled = padding = 0;
  }
  // What is left of a block is decoded. A single character makes a byte only where something else stands behind it.
  if (filled != 0) append_block(out, block, filled > 1 ? filled - 1 : to_the_end ? 0 : 1);
  return out;
}

}  // namespace skep::payload
