// What sessions have written: of each the last files that it had open to write, as the kernel told of them, until an
// alert asks for those that were not told yet. Pure, bounded; one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "model/kernel_event.h"

namespace skep::judge {

class WrittenFiles {
 public:
  static constexpr size_t kFilesMax = 32;       // of a session: the last ones
  static constexpr size_t kSessionsMax = 4096;  // beyond it the oldest is forgotten

  struct File {
    uint64_t device = 0;
    uint64_t inode = 0;
    uint64_t key = 0;         // the kernel's
    uint32_t pid = 0;         // who had it open
    std::string path;         // its newest name
    std::string former_path;  // … and the first, where it has had another
    bool whole = true;        // false: the path is cut
    bool certain = true;      // false: the thread may have worked for another session
  };
  struct Untold {
    std::vector<File> files;  // the oldest first
    uint64_t left_out = 0;    // so many more were written than are kept
    bool unknown = false;     // … or nobody knows how many; said once
  };

  // `began_boottime_ns`: what flows that are older have written before is not known.
  explicit WrittenFiles(uint64_t began_boottime_ns) : began_ns_(began_boottime_ns) {}

  void take(const skep_wrote_record& record);
  // The names are the caller's words: of the session's files that were called so, the last one is meant.
  void take(const skep_renamed_record& record);
  // What the session of `flow` has written and no alert has told yet; told by this.
  Untold take_untold(const skep_flow& flow);

 private:
  struct Kept {
    File file;
    bool told = false;
  };
  struct Session {
    std::deque<Kept> files;
    uint64_t left_out = 0;
    bool lost = false;  // it was forgotten once
    bool said = false;  // … which was told
  };
  Session& session_of(uint64_t serial);
  static void rename(File& file, std::string path, bool whole);

  const uint64_t began_ns_;
  std::map<uint64_t, Session> sessions_;  // by serial, which grows: the first is the oldest
  uint64_t forgotten_ = 0;                // the youngest that was forgotten
};

}  // namespace skep::judge
