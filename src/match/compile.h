// From signatures to the table that the kernel decides by. Every signature gets the stage at which it can do what it
// says; one that cannot be done is an error that says why and what to do, and then nothing is compiled at all.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "formats/signature_file.h"
#include "match/stage.h"
#include "match/values.h"
#include "model/signature_table.h"

namespace skep::match {

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
  bool monitored = false;  // the action was not taken, only observed
  formats::Maturity maturity = formats::Maturity::stable;
  std::vector<uint16_t> weights;  // of evidence: what each adds
  struct Level {
    uint16_t at;
    bool suspect;
  };
  std::vector<Level> levels;
};

struct CompiledSet {
  std::unique_ptr<skep_table> table;
  std::vector<SignatureInfo> signatures;  // by index in the table
};

// Errors: "file:line: words", one a line.
Result<CompiledSet> compile(const std::vector<formats::SignatureSet>& sets, const CompileContext& context);

}  // namespace skep::match
