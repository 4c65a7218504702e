// links: skep_formats
// Headers of a SYN: what is made of them stays within them, and a pcapng with them has whole blocks.
#include "base/result.h"
#include "formats/pcapng.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace skep;
  const ByteView bytes(data, size);
  const auto syn = formats::parse_saved_syn(bytes);
  if (!syn) return 0;
  SKEP_CHECK(syn->options.size() % 4 == 0 && syn->options.size() <= 40);
  SKEP_CHECK(syn->options.empty() ||
             (syn->options.data() >= data && syn->options.data() + syn->options.size() <= data + size));
  size_t written = 0;
  formats::PcapngWriter writer(
      [&](ByteView block) {
        written += block.size();
        return block.size() % 4 == 0;
      },
      syn->source, *parse_endpoint("192.0.2.2:80"));
  SKEP_CHECK(writer.connected(1, syn));
  SKEP_CHECK(writer.data(2, Direction::to_bait, 0, as_bytes("x")));
  SKEP_CHECK(written > 0);
  return 0;
}
