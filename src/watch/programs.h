// Files that a service may run, as the kernel will know them: device and inode, whatever name leads there.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace skep::watch {

// As PATH would find it; the name itself where it holds a '/'.
std::string find_program(const std::string& name);
// skep_file_id of the file that `path` leads to.
Result<uint64_t> file_id(const std::string& path);
// `root` and all its descendants, by /proc; every thread of each.
std::vector<pid_t> threads_below(pid_t root);
// All processes of a cgroup v2 directory and those below it, every thread of each.
Result<std::vector<pid_t>> threads_of_cgroup(const std::string& path);
// Inode of the network namespace that a process lives in.
Result<uint32_t> network_namespace(pid_t pid);

}  // namespace skep::watch
