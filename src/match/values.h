// The values that a condition names, as the table holds them. Errors name the value, not the field. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "formats/outgoing.h"
#include "match/fields.h"
#include "model/signature_table.h"

namespace skep::match {

// Paths to skep_file_id.
struct PathResolver {
  std::function<Result<uint64_t>(const std::string& path)> program;  // a file that can be run: it must be there
  std::function<Result<uint64_t>(const std::string& path)> object;  // a file or folder; kNoObject where it is not there
};
constexpr uint64_t kNoObject = 0;
// Knows every path (as an id of its text): for checking files where they need not exist.
const PathResolver& resolve_nothing();
// Device and inode of what is now at the path.
const PathResolver& resolve_by_stat();

// Decimal, 0x…, 0… (octal), with a sign; or a constant by its name: PROT_EXEC, CLONE_NEWNET, AF_PACKET …
Result<uint64_t> number_of(std::string_view text);
Result<int> errno_of(const std::string& name);
// A value of the field's type; of any but networks.
Result<uint64_t> value_of(const Field& field, const std::string& text, const PathResolver& resolve);
using formats::network_of;

}  // namespace skep::match
