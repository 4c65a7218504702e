// A file that the kernel has told of by device and inode, found again: under its names, among the descriptors of the
// processes that had it, or in the folder where it was under another name. The names are hints; device and inode
// decide. O_PATH, as in caller_file.h, and like there each call may block for as long as somebody wants.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>

#include "model/watch_records.h"
#include "watch/caller_file.h"

namespace skep::watch {

struct KnownFile {
  static constexpr size_t kFolderEntriesMax = 4096;  // looked at in a folder
  static constexpr size_t kDescriptorsMax = 1024;    // … and of a process

  uint64_t device = 0;
  uint64_t inode = 0;
  std::array<pid_t, SKEP_FILE_PROCESSES> processes{};  // 0: none
  std::array<std::string, SKEP_FILE_NAMES> paths;      // absolute; empty: none
};

struct FoundFile {
  Fd file;
  skep_file_clue clue = SKEP_FILE_BY_NEWEST_NAME;
};
Result<FoundFile> open_known_file(const KnownFile& file);

}  // namespace skep::watch
