// What the steps of a sequence remember for later ones: `as: f` gives a step a name, `$f.fd.ino` in a later step is the
// value that the field had there. A run of the sequence has SKEP_BOUND_MAX places for such values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/signature_file.h"
#include "match/fields.h"

namespace skep::match {

struct Binding {
  size_t step = 0;   // that binds it
  std::string word;  // "$f.fd.ino"
  const Field* field = nullptr;
};

// By place. Errors name the word that could not be understood.
Result<std::vector<Binding>> bindings_of(const formats::Signature& signature);

// The fields that a step must know because later ones speak of them.
std::vector<const Field*> bound_by(const std::vector<Binding>& bindings, size_t step);

bool is_binding(const formats::Predicate& predicate);

}  // namespace skep::match
