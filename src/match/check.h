// Checking signatures without a kernel: `skep hids check FILE…` and `skep-monitor --check`.
#pragma once

#include <string>
#include <vector>

#include "formats/options.h"
#include "match/compile.h"
#include "match/test_run.h"

namespace skep::match {

struct CheckedFiles {
  std::vector<formats::SignatureSet> sets;
  CompiledSet compiled;
  std::vector<TestResult> tests;  // they point into `sets`
};

// Parses and compiles the files for launched services that intercept the usual calls, and runs their tests. Paths need
// not exist here.
Result<CheckedFiles> check_files(const std::vector<std::string>& paths);

// The signatures that the options name, for the services that they name.
Status check_for(const formats::MonitorOptions& options);

}  // namespace skep::match
