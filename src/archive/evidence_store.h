// The copies of files that alerts concern: ARCHIVE/evidence/ab/abcdef…, named by their SHA-256, each once. They are
// attackers' bytes: kept 0400, never executable, never overwritten, never looked into. Any thread takes them in; a copy
// on its way is one thread's.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "base/sha256.h"

namespace skep::archive {

constexpr uint64_t kEvidenceBytesADay = uint64_t{2} << 30;
// Where the copy with this SHA-256 (64 hexadecimal digits) lies, or would lie.
std::string evidence_path(const std::string& folder, const std::string& sha256);

class EvidenceStore {
 public:
  explicit EvidenceStore(std::string folder) : folder_(std::move(folder)) {}

  // Makes the folders; what a former life left half is removed.
  Status begin();
  bool has(const std::string& sha256) const;

  // A copy on its way. What was not finished is gone with it.
  class Incoming {
   public:
    Incoming(EvidenceStore& store, std::string part, std::string sha256, Fd file)
        : store_(store), part_(std::move(part)), sha256_(std::move(sha256)), file_(std::move(file)) {}
    ~Incoming();
    Incoming(const Incoming&) = delete;
    Incoming& operator=(const Incoming&) = delete;

    uint64_t bytes() const { return bytes_; }
    Status append(ByteView bytes);
    // Puts it in its place. Error: it is not what its name says; it cannot be stored.
    Status finish();

   private:
    EvidenceStore& store_;
    const std::string part_;
    const std::string sha256_;
    Fd file_;
    Sha256 hash_;
    uint64_t bytes_ = 0;
  };
  // Error: the day's bytes are used up, the disk has too little room, or it refuses. The store must outlive it.
  Result<std::unique_ptr<Incoming>> receive(const std::string& sha256, uint64_t bytes, int64_t now_realtime_ns);

  uint64_t stored() const { return stored_; }

 private:
  Status check_room(uint64_t bytes) const;
  Status remove_parts() const;

  const std::string folder_;
  std::mutex mutex_;  // over what the day has left
  int64_t day_ = 0;
  uint64_t day_bytes_ = 0;
  uint64_t parts_ = 0;
  std::atomic<uint64_t> stored_{0};
};

}  // namespace skep::archive
