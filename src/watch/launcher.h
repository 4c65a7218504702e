// Starts a service so that no call of it escapes: the child is marked and moved into its cgroup while it waits, puts on
// the seccomp filter, becomes the service's user, and only then runs the program. Blocks until the program runs or has
// failed to.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace skep::watch {

struct LaunchPlan {
  std::vector<std::string> command;  // [0] is looked up in PATH where it holds no '/'
  std::vector<std::string> env;      // beside PATH
  std::string user;                  // empty: as we are
  std::string workdir;
  std::string output;
  std::vector<uint16_t> intercepts;
  bool address_randomisation = true;
};

// `before_filter(pid)` marks the child and moves it; `serve(notices)` must have somebody answer before it returns,
// because the program's own start is the first question. When it fails, the child is gone.
Result<pid_t> launch(const LaunchPlan& plan, const std::function<Status(pid_t)>& before_filter,
                     const std::function<Status(Fd notices)>& serve);

}  // namespace skep::watch
