// From signatures to the table that the kernel decides by. Every signature gets the stage at which it can do what it
// says; one that cannot be done is an error that says why and what to do, and then nothing is compiled at all.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/signature_file.h"
#include "match/fields.h"
#include "model/signature_table.h"

namespace skep::match {

struct CompiledService {
  std::string name;
  uint32_t slot = 0;
  bool launched = true;              // adopted ones carry no seccomp filter
  std::vector<uint16_t> intercepts;  // calls that its filter asks about
};

struct CompileContext {
  std::vector<CompiledService> services;
  PathResolver resolve;
  uint32_t generation = 1;
};

// What an alert is told by: one a signature of the table.
struct SignatureInfo {
  std::string name;
  std::string description;
  std::string priority;
  std::vector<std::string> tags;
  std::string file;
  int line = 0;
  formats::SignatureAction action = formats::SignatureAction::observe;
};

struct CompiledSet {
  std::unique_ptr<skep_table> table;
  std::vector<SignatureInfo> signatures;  // by index in the table
};

// Errors: "file:line: words", one a line.
Result<CompiledSet> compile(const std::vector<formats::SignatureSet>& sets, const CompileContext& context);

// Knows every path (as an id of its text): for checking files where they need not exist.
Result<uint64_t> resolve_nothing(const std::string& path);
// Device and inode of the file now at `path`.
Result<uint64_t> resolve_by_stat(const std::string& path);

}  // namespace skep::match
