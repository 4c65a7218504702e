// links: skep_match
// A signature set and a trace of any bytes: the automaton decides as the slow reference does, call for call.
#include "match/random_set.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  skep::match::RandomCase({data, size}).hold_against_each_other();
  return 0;
}
