// The program that a caller is about to run, opened as the caller names it. For evidence alone: the name lies in the
// caller's memory, where another thread of it may change it, so no verdict hangs on it. O_PATH: nothing is read, no
// device is opened, nobody who watches the file is told. Each call here may block for as long as the caller wants (its
// memory, its file systems): it belongs on a thread that can be spared.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace skep::watch {

// A call of execve or execveat that waits under seccomp.
struct ExecQuestion {
  pid_t tid = 0;
  int call = 0;
  uint64_t args[6] = {};
};

struct FileFacts {
  uint64_t device = 0;  // the kernel's own form, as in its records
  uint64_t inode = 0;
  uint64_t bytes = 0;
  uint64_t changed_ns = 0;
  bool regular = false;
  bool everybodys = false;  // anybody may read and run it
  bool operator==(const FileFacts&) const = default;
};

bool is_exec(int call);
Result<Fd> open_pending_program(const ExecQuestion& question);
Result<Fd> open_running_program(pid_t pid);
// `name` as from `folder`, as openat2's `resolve` says; O_PATH.
Result<Fd> open_below(const Fd& folder, const std::string& name, uint64_t resolve);
Result<FileFacts> facts_of(const Fd& file);
// The process that the thread belongs to; 0: it is gone.
pid_t process_of(pid_t tid);

}  // namespace skep::watch
