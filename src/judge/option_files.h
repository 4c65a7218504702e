// The files that monitor.yaml names: signatures and profiles. Read before the first byte from outside comes in: judge
// opens no file after that.
#pragma once

#include <vector>

#include "formats/options.h"
#include "formats/profile_file.h"
#include "formats/signature_file.h"

namespace skep::judge {

Result<std::vector<formats::SignatureSet>> load_signatures(const formats::MonitorOptions& options);
// Those of the services that have one; a profile of another service is an error.
Result<std::vector<formats::ServiceProfile>> load_profiles(const formats::MonitorOptions& options);

}  // namespace skep::judge
