// Checking signatures without a kernel: `skep hids check FILE…` and `skep-monitor --check`.
#pragma once

#include <string>
#include <vector>

#include "formats/options.h"
#include "match/compile.h"

namespace skep::match {

// Parses and compiles the files for one launched service that intercepts the usual calls. Paths need not exist here.
Result<CompiledSet> check_files(const std::vector<std::string>& paths);

// The signatures that the options name, for the services that they name.
Status check_for(const formats::MonitorOptions& options);

}  // namespace skep::match
