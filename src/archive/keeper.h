// Keeper: what an archive needs done beside the writing, on a thread of its own
// at the lowest priority: finished segments are compressed once they have
// rested, days that are over are sealed, retention is kept, and the disk is
// watched. It ends at the next frame when it is told to.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "archive/disk_stage.h"
#include "archive/retention.h"
#include "base/fd.h"

namespace skep::archive {

struct KeeperOptions {
  uint64_t segment_bytes = 64 << 20;
  unsigned writers = 1;
  uint32_t compress_after_s = 60;
  formats::RetentionOptions retention;
  uint32_t pass_ms = 2000;             // between two looks
  std::function<DiskRoom()> room;      // none: of the archive's file system
  std::function<uint32_t()> finished;  // segments up to this one grow no more
};

class Keeper {
 public:
  Keeper(std::string folder, KeeperOptions options);
  ~Keeper();
  void start();
  // Any thread.
  DiskStage stage() const { return stage_.load(std::memory_order_relaxed); }

 private:
  void run();
  void pass();
  void watch_disk(bool droppable);
  bool disk_low() const;
  Status keep_retention();
  Status compress();
  Status seal_days();
  void said(const char* what, const Status& status, std::string& last);

  const std::string folder_;
  const KeeperOptions options_;
  Retention retention_;
  std::atomic<DiskStage> stage_{DiskStage::roomy};
  std::atomic<bool> stopping_{false};
  Fd wake_;
  bool droppable_ = true;       // the thread's, as all that follows
  uint32_t compressed_to_ = 0;  // all up to here are compressed, or cannot be
  int64_t sealed_to_ = 0;       // days before this one are sealed
  int64_t retention_due_ns_ = 0;
  std::string retention_words_, compress_words_, seal_words_;
  std::thread thread_;
};

}  // namespace skep::archive
