// The supervised processes as the kernel told of them: who descends from whom, running what. Pure; bounded.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/kernel_event.h"
#include "model/session.h"

namespace skep::judge {

class ProcessTable {
 public:
  static constexpr size_t kLiveMax = 65536;
  static constexpr size_t kDeadMax = 16384;  // kept for alerts that come after the end

  void forked(const skep_process_record& record);
  void executed(const skep_process_record& record);
  void exited(uint32_t pid);

  // From the service's root down to `pid`; what is not known is left out.
  std::vector<ProcessInfo> lineage(uint32_t pid) const;
  const ProcessInfo* find(uint32_t pid) const;
  // Device and inode of the program that it runs; zeroes: not known.
  struct FileId {
    uint64_t device = 0;
    uint64_t inode = 0;
  };
  FileId program_of(uint32_t pid) const;
  size_t live() const { return live_; }
  uint64_t refused() const { return refused_; }

 private:
  struct Entry {
    ProcessInfo info;
    bool dead = false;
    FileId program;
  };
  std::unordered_map<uint32_t, Entry> entries_;
  std::deque<uint32_t> dead_;
  size_t live_ = 0;
  uint64_t refused_ = 0;
};

// "a b c" of NUL-separated arguments.
std::string arguments_text(const char* bytes, size_t count);

}  // namespace skep::judge
