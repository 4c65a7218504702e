// The keys of one proxy and one monitor: a CA of their own and a certificate each, ECDSA P-256.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace skep::wire {

// Makes ca.pem, ca.key, proxy.pem, proxy.key, monitor.pem, monitor.key in `folder` (made where it is not there). Never
// overwrites. Returns the files made.
Result<std::vector<std::string>> init_keys(const std::string& folder);

}  // namespace skep::wire
