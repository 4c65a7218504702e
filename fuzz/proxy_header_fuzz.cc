// links: skep_formats
// The header that a balancer sends: what is decided of a beginning holds for every longer one, and a whole one lies
// within what there is.
#include "base/result.h"
#include "formats/proxy_header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using skep::formats::ProxyHeader;
  using State = ProxyHeader::State;
  const skep::ByteView bytes(data, size);
  const ProxyHeader all = skep::formats::read_proxy_header(bytes);
  SKEP_CHECK(all.state != State::whole || (all.bytes > 0 && all.bytes <= size));
  SKEP_CHECK(all.bytes <= skep::formats::kProxyHeaderBytesMax);
  SKEP_CHECK(!all.told || all.state == State::whole);
  // Every length of a short one, and some of a long one.
  for (size_t length = 0; length <= size; length += length < 300 ? 1 : 97) {
    const ProxyHeader part = skep::formats::read_proxy_header(bytes.first(length));
    if (part.state == State::incomplete) continue;
    SKEP_CHECK(part.state == all.state && part.bytes == all.bytes && part.told == all.told);
    SKEP_CHECK(part.client == all.client && part.entrance == all.entrance);
  }
  return 0;
}
