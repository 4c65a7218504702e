// The fields that a condition may look at: name, place in the table, type of its values, and where it is known.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace skep::match {

enum class ValueType { number, truth, name, path, network, abi, protocol, character, errno_value };

struct Field {
  std::string_view name;
  uint8_t place;  // skep_field
  ValueType type;
  uint8_t stages;      // bit n: known at skep_stage n
  uint8_t provenance;  // skep_provenance
  std::string_view help;
};

std::span<const Field> all_fields();
const Field* find_field(std::string_view name);
std::string_view nearest_field(std::string_view name);

// Resolves a path to skep_file_id.
using PathResolver = std::function<Result<uint64_t>(const std::string& path)>;

// A value as the table holds it (not for networks). Constants by name: PROT_EXEC, CLONE_NEWNET, AF_PACKET, ENOENT …
Result<uint64_t> value_of(const Field& field, const std::string& text, const PathResolver& resolve);
Result<int> errno_of(const std::string& name);

}  // namespace skep::match
