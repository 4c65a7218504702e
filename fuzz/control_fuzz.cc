// links: skep_wire
// The control channel's frames as a stranger would send them: any bytes, cut anywhere.
#include "wire/frame.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  skep::wire::FrameReader reader;
  const size_t cut = size == 0 ? 0 : data[0] % size;
  for (const skep::ByteView part : {skep::ByteView(data, cut), skep::ByteView(data + cut, size - cut)}) {
    reader.feed(part);
    for (auto content = reader.next(); content && *content; content = reader.next()) {
      const auto frame = skep::wire::parse_frame(**content);
      if (!frame) continue;
      // What was taken can be said again, and is the same.
      skep::wire::Frame again;
      SKEP_CHECK(again.ParseFromString(frame->SerializeAsString()));
      SKEP_CHECK(again.SerializeAsString() == frame->SerializeAsString());
    }
  }
  (void)skep::wire::parse_frame({data, size});
  return 0;
}
