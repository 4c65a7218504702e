#include "formats/community_id.h"

#include <openssl/sha.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/text.h"

namespace skep::formats {

std::string community_id(Protocol protocol, const Endpoint& a, const Endpoint& b) {
  const auto& [low, high] = std::minmax(a, b);
  const size_t skip = a.is_v4() && b.is_v4() ? 12 : 0;
  Bytes key;
  ByteWriter writer(key);
  writer.be(uint16_t{0});
  writer.raw(ByteView(low.address).subspan(skip));
  writer.raw(ByteView(high.address).subspan(skip));
  writer.be(static_cast<uint8_t>(protocol));
  writer.be(uint8_t{0});
  writer.be(low.port);
  writer.be(high.port);
  uint8_t digest[SHA_DIGEST_LENGTH];
  ::SHA1(key.data(), key.size(), digest);
  return "1:" + base64({reinterpret_cast<const char*>(digest), sizeof digest});
}

}  // namespace skep::formats
