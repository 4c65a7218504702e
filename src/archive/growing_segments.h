// The segments that still grow, of all writers of one archive: gives each its number and its file, and knows up to
// which none grows any more. Numbers have no gaps, for a reader takes one for a loss. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace skep::archive {

class GrowingSegments {
 public:
  GrowingSegments(std::string folder, uint64_t segment_bytes)
      : folder_(std::move(folder)), segment_bytes_(segment_bytes) {}

  // Before the first begins: the newest number of a former life.
  void go_on_after(uint32_t number) { last_ = number; }

  struct Begun {
    Fd file;
    uint32_t number = 0;
    uint64_t capacity = 0;  // bytes that the disk has set aside for it
  };
  Result<Begun> begin();
  // It is whole in its file and grows no more.
  void finished(uint32_t number);

  bool grows(uint32_t number) const;
  // The newest number that was given.
  uint32_t last() const { return last_.load(); }
  // Segments up to this one are whole in their files and grow no more.
  uint32_t finished_up_to() const;

 private:
  Result<Begun> make_file(uint32_t number) const;

  const std::string folder_;
  const uint64_t segment_bytes_;
  std::atomic<uint32_t> last_{0};
  // Taken once a segment, and held while its file is made: a number is given when the file is there, or not at all.
  mutable std::mutex mutex_;
  std::set<uint32_t> growing_;
};

}  // namespace skep::archive
