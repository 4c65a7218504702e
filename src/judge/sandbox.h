// How judge gives up everything but what it needs, before the first byte from outside.
#pragma once

#include <string>

#include "base/result.h"

namespace skep::judge {

// Becomes `user` with its group alone, no capability, nothing to gain by exec.
Status drop_privileges(const std::string& user);

// A seccomp list of its own: what is not on it ends the process. No file can be opened, no program run, no socket made.
Status install_seccomp_list();

}  // namespace skep::judge
