#include "match/syscalls.h"

#include <fmt/format.h>

#include <vector>

#include "base/text.h"
#include "model/signature_table.h"

namespace skep::match {
namespace {

constexpr struct {
  std::string_view name;
  uint16_t number;
} kPseudoCalls[] = {{"foreign_abi", SKEP_CALL_FOREIGN_ABI}, {"first_seen", SKEP_CALL_FIRST_SEEN}};

}  // namespace

std::optional<uint16_t> call_number(std::string_view name) {
  for (const auto& pseudo : kPseudoCalls) {
    if (pseudo.name == name) return pseudo.number;
  }
  for (const NamedCall& call : all_calls()) {
    if (call.name == name) return call.number;
  }
  return std::nullopt;
}

std::string call_name(uint32_t number) {
  for (const auto& pseudo : kPseudoCalls) {
    if (pseudo.number == number) return std::string(pseudo.name);
  }
  for (const NamedCall& call : all_calls()) {
    if (call.number == number) return std::string(call.name);
  }
  return fmt::format("call {}", number);
}

std::string_view nearest_call(std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& pseudo : kPseudoCalls) names.push_back(pseudo.name);
  for (const NamedCall& call : all_calls()) names.push_back(call.name);
  const std::string_view near = nearest(name, names);
  return near;
}

}  // namespace skep::match
