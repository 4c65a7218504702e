// What the proxy gives up once its ports are open and its keys are read, before the first byte from outside.
#pragma once

#include "formats/options.h"

namespace skep::proxy {

// Becomes `user:`, to whom the archive is given; without one, whoever started it, without any capability but
// CAP_NET_RAW where a service has `source: transparent`.
Status give_up_privileges(const formats::ProxyOptions& options);
// Once all threads run: no other calls than those of `sandbox.h`.
Status close_sandbox();

}  // namespace skep::proxy
