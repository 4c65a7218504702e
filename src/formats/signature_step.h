// Steps of signatures: `on`, `where`, and the exceptions that narrow them.
#pragma once

#include <string>

#include "formats/condition.h"
#include "formats/signature_file.h"
#include "formats/yaml.h"

namespace skep::formats {

// The condition under `key`, with the calls of `on` before every alternative. False: not understood, and said so.
bool read_condition(YamlMap& map, std::string_view key, const Vocabulary& vocabulary, Disjunction& out);
// One step of a sequence.
SignatureStep read_step(const YAML::Node& node, Complaints& complaints, const Vocabulary& vocabulary);
// Each row of `exceptions` becomes one more `and not (…)` of the last step.
void apply_exceptions(YamlMap& map, SignatureStep& step);

}  // namespace skep::formats
