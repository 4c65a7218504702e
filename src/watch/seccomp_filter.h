// The filter that every launched service and all its descendants carry: a short list of deciding calls goes to the
// notifier, the rest passes. Built once a service; it cannot be changed or shed afterwards.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace skep::watch {

// Besides every one of `calls`: those that pass a test of match/intercepts.h by their arguments, and every call through
// a foreign ABI, go to the notifier; clone3 gets ENOSYS, because its flags lie in user memory where no filter can look
// (libc then uses clone).
std::vector<sock_filter> build_filter(std::span<const uint16_t> calls);

// Installs it for the calling thread and what it will start; needs CAP_SYS_ADMIN, so that set-user-id programs stay
// what they are. Returns the notification descriptor.
Result<Fd> install_filter(const std::vector<sock_filter>& filter);

}  // namespace skep::watch
