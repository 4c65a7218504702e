// links: skep_payload
// Any bytes: a protocol that was found, or none, stays so as more come; transforms and base64 take anything.
#include <cstdlib>

#include "payload/application.h"
#include "payload/transforms.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using skep::payload::Recognition;
  const skep::ByteView bytes(data, size);
  skep::payload::Application before;
  for (size_t known = 0; known <= std::min(size, skep::payload::kApplicationBytes + 1); ++known) {
    const auto now = skep::payload::recognise(bytes.first(known));
    const bool same = now.recognition == before.recognition && now.protocol == before.protocol;
    if (before.recognition != Recognition::undecided && !same) std::abort();
    before = now;
  }
  if (skep::payload::base64_decoded(bytes).size() > size) std::abort();
  skep::formats::Transform transforms[3] = {};
  for (size_t i = 0; i < 3 && i < size; ++i) transforms[i] = static_cast<skep::formats::Transform>(data[i] % 11);
  if (skep::payload::transformed(bytes, transforms).size() > size + 3 + 32) std::abort();
  return 0;
}
