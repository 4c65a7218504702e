// How a program gives up everything but what it needs, before the first byte from outside: its user, its capabilities,
// and every system call that is not on a list of its own.
#pragma once

#include <span>
#include <string>

#include "base/result.h"

namespace skep {

// Becomes `user` with its group alone, no capability but those of `keep` (CAP_…), nothing to gain by exec, no core
// file.
Status become_user(const std::string& user, std::span<const int> keep = {});
// The calling thread, and those that it starts, keep the user and lose every capability but those of `keep`. Call it
// before there are others. Errors: one to be kept is not there.
Status drop_capabilities(std::span<const int> keep = {});

enum class OnUnlistedCall { end_process, refuse };  // refuse: EPERM
// From here on the process, all its threads, can make these calls alone; mmap and mprotect never of executable memory.
Status allow_only(std::span<const int> calls, OnUnlistedCall otherwise);

}  // namespace skep
