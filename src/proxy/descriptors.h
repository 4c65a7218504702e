// The descriptors that the sessions want, asked of the system at start.
#pragma once

#include <cstdint>

namespace skep::proxy {

// Raises RLIMIT_NOFILE to `wanted`, its hard limit too where that is allowed; how many there are then. Says in the log
// where they are fewer.
uint64_t raise_descriptors(uint64_t wanted);

}  // namespace skep::proxy
