// Values as they are written in messages: bytes in disguise, or numbers. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "base/bytes.h"
#include "replay/plan.h"

namespace skep::replay {

using Value = std::variant<Bytes, uint64_t>;

bool is_number(Form form);
// Of an integer in so many bytes; 0: of any other form.
size_t integer_bytes(Form form);
// nullopt: it is not written in that form.
std::optional<Value> read_value(Form form, ByteView written);
// In the style of `recorded` (which bytes are escaped, case of digits, padding, leading zeroes), which is what stood
// there. nullopt: the form cannot hold the value.
std::optional<Bytes> write_value(Form form, const Value& value, ByteView recorded);

}  // namespace skep::replay
