// links: reference
// Any client bytes: the reader of HTTP requests says of them what libhtp says, however they are cut. The first byte
// says how.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "reference/http_readers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const skep::ByteView bytes(data + 1, size - 1);
  const size_t cut = data[0] == 0 ? bytes.size() : data[0];
  const std::string difference = skep::reference::http_difference(bytes, cut);
  if (difference.empty()) return 0;
  std::fwrite(difference.data(), 1, difference.size(), stderr);
  std::abort();
}
