// The guard: a process of its own that does nothing but wait. If watch dies, however it dies, the guard kills the
// cgroup of all launched services: none may run on unsupervised.
#pragma once

#include <sys/types.h>

#include "base/fd.h"
#include "base/result.h"
#include "watch/cgroup.h"

namespace skep::watch {

class Guard {
 public:
  static Result<Guard> start(const Cgroup& services);
  pid_t pid() const { return pid_; }
  // Lets it go without killing anything (a clean stop has done that).
  void dismiss();

 private:
  Guard(pid_t pid, Fd lifeline) : pid_(pid), lifeline_(std::move(lifeline)) {}
  pid_t pid_;
  Fd lifeline_;  // its other end reads end-of-file when the last holder is gone: watch alone holds it
};

}  // namespace skep::watch
