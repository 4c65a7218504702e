// Where a step is judged: the best place that its call passes, at which all that the step looks at is known and what
// the signature wants can be done. A step that has no such place is an error that says why and what to do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/signature_file.h"
#include "match/fields.h"

namespace skep::match {

struct CompiledService {
  std::string name;
  uint32_t slot = 0;
  bool launched = true;              // adopted ones carry no seccomp filter
  std::vector<uint16_t> intercepts;  // calls that its filter asks about, whatever their arguments
};

// The services that a signature is compiled for at once: all launched, or all adopted.
struct Target {
  std::vector<const CompiledService*> services;
  bool launched = true;
  bool named = false;  // the signature names them
  uint64_t slots() const;
};

struct JudgedCall {
  uint16_t call;
  const formats::Disjunction& condition;  // its calls left out, its fields known ones
  formats::SignatureAction wanted;        // observe, for every step but the last
  std::vector<const Field*> bound = {};   // fields that later steps will speak of
  bool unsafe = false;                    // a refusal may hang on user memory
};

// Whether the call passes the place at all.
bool passes(uint16_t call, uint8_t stage);
Result<uint8_t> stage_of(const JudgedCall& judged, const Target& target);

}  // namespace skep::match
