// System calls by name and number (x86-64).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace skep::match {

struct NamedCall {
  std::string_view name;
  uint16_t number;
};

std::span<const NamedCall> all_calls();
// "foreign_abi" is SKEP_CALL_FOREIGN_ABI.
std::optional<uint16_t> call_number(std::string_view name);
std::string call_name(uint32_t number);  // "call 777" where there is none
std::string_view nearest_call(std::string_view name);

}  // namespace skep::match
