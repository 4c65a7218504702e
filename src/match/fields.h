// The fields that a condition may look at: name, place in the table, type of its values, and where and of which calls
// it is known.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "formats/condition.h"

namespace skep::match {

enum class ValueType {
  number,
  truth,
  name,
  path,
  object,
  folder,
  network,
  abi,
  protocol,
  character,
  errno_value,
  kind
};

struct Field {
  std::string_view name;
  uint8_t place;  // skep_field
  ValueType type;
  uint8_t stages;      // bit n: known at skep_stage n
  uint8_t provenance;  // skep_provenance
  std::string_view help;
  uint64_t most = UINT64_MAX;  // of numbers: the largest that it can be
};

// Of which calls a field is known at some stages, where that is not all that pass them.
struct FieldCalls {
  std::vector<std::string_view> fields;
  uint8_t stages;  // bit n: at skep_stage n
  bool all_but;    // known of all but `calls`, else of them alone; of several rows of these, of the calls of each
  std::vector<std::string_view> calls;
  std::vector<std::string_view> values;  // that the field can have there; none: any
};

std::span<const Field> all_fields();
const Field* find_field(std::string_view name);
std::string_view nearest_field(std::string_view name);

const std::vector<FieldCalls>& field_calls();
// Whether the field is known of `call` at `stage` at all.
bool is_known(const Field& field, uint16_t call, uint8_t stage);
// Whether the field is known of `call` at `stage`, and the predicate not one that no such call can fit.
bool can_hold(const formats::Predicate& predicate, const Field& field, uint16_t call, uint8_t stage);

}  // namespace skep::match
