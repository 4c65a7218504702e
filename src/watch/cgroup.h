// The cgroup that holds everything that one skep-monitor launches, one child a service: how a service is ended whole.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace skep::watch {

// Where the cgroup v2 hierarchy is mounted; mounts it privately where it is not.
Result<std::string> find_cgroup_root();

class Cgroup {
 public:
  // Makes `path`; removed (with all that runs in it killed) by `end`.
  static Result<Cgroup> make(std::string path);

  Status add(pid_t pid) const;
  // SIGKILL to all that is in it, children's members too.
  Status kill() const;
  // Kills, waits up to a second until it is empty, removes it and its children.
  void end();
  const std::string& path() const { return path_; }

 private:
  explicit Cgroup(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace skep::watch
