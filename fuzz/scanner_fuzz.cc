// links: skep_payload
// Rules on the payload and a stream of any bytes: the scanner, on either engine and however the stream is cut, says
// what the slow reference says.
#include "payload/random_rules.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  skep::payload::RandomRules({data, size}).hold_against_each_other();
  return 0;
}
