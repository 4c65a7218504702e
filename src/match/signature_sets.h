// Where signatures come from: files, or the set that is built in.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "formats/options.h"
#include "formats/signature_file.h"

namespace skep::match {

Result<std::vector<formats::SignatureSet>> read_signature_files(const std::vector<std::string>& paths);

// Those that the options name; the built-in set where they name none. Patterns that no file fits give none.
Result<std::vector<formats::SignatureSet>> signatures_of(const formats::MonitorOptions& options);

}  // namespace skep::match
