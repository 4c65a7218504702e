#include "match/syscalls.h"

#include <fmt/format.h>

#include <vector>

#include "base/text.h"
#include "model/signature_table.h"

namespace skep::match {
namespace {

constexpr std::string_view kForeignAbi = "foreign_abi";

}  // namespace

std::optional<uint16_t> call_number(std::string_view name) {
  if (name == kForeignAbi) return SKEP_CALL_FOREIGN_ABI;
  for (const NamedCall& call : all_calls()) {
    if (call.name == name) return call.number;
  }
  return std::nullopt;
}

std::string call_name(uint32_t number) {
  if (number == SKEP_CALL_FOREIGN_ABI) return std::string(kForeignAbi);
  for (const NamedCall& call : all_calls()) {
    if (call.number == number) return std::string(call.name);
  }
  return fmt::format("call {}", number);
}

std::string_view nearest_call(std::string_view name) {
  std::vector<std::string_view> names = {kForeignAbi};
  for (const NamedCall& call : all_calls()) names.push_back(call.name);
  const std::string_view near = nearest(name, names);
  return near;
}

}  // namespace skep::match
