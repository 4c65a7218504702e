// Ring: the mapped file in which the newest end of the log lies (formats/ring). One thread appends, another takes what
// is stored off it; whatever was committed is there for whoever opens the archive next, also after a SIGKILL.
//
// It lies in /dev/shm, or where that has no room or is no tmpfs in the archive itself; ARCHIVE/ring leads to it.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "formats/ring.h"

namespace skep::archive {

class Ring {
 public:
  // A fresh one; ARCHIVE/ring must be free. `bytes` is rounded up to whole blocks. `memory`: the tmpfs.
  static Result<std::unique_ptr<Ring>> make(const std::string& folder, uint64_t bytes,
                                            const std::string& memory = "/dev/shm");
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  uint64_t head() const { return std::atomic_ref(header_->head).load(); }
  uint64_t stored() const { return std::atomic_ref(header_->stored).load(); }
  uint64_t bytes() const { return header_->data_bytes; }

  // The appender's. How much can be written behind the head now.
  uint64_t free_bytes() const;
  // The byte at a position; `bytes()` lie behind it without a gap, for the ring is mapped twice.
  uint8_t* at(uint64_t position) const { return data_ + position % header_->data_bytes; }
  // From here on, what lies before `position` outlives the process.
  void commit(uint64_t position) { std::atomic_ref(header_->head).store(position); }
  // False where too many segments are unfinished: some must be stored first.
  bool can_begin_segment() const;
  // Ends the one before at the head.
  void begin_segment(uint32_t number, uint64_t start);

  // The storer's.
  void set_stored(uint64_t position) { std::atomic_ref(header_->stored).store(position); }
  // Everything is stored and nobody appends: the file goes.
  void remove();

 private:
  Ring(std::string link, std::string path) : link_(std::move(link)), path_(std::move(path)) {}
  Status map(int fd, uint64_t bytes);

  const std::string link_;  // ARCHIVE/ring
  const std::string path_;  // where it leads to; or the same
  formats::RingHeader* header_ = nullptr;
  uint8_t* data_ = nullptr;
  size_t mapped_bytes_ = 0;
};

// The whole file of a ring that a former life left, copied; nullopt: there is none. `remove_ring` takes it away.
Result<std::optional<Bytes>> read_ring(const std::string& folder);
Status remove_ring(const std::string& folder);
// Where that ring lies, if not in the folder itself; "" where there is none, or it is not one of ours.
std::string ring_in_memory(const std::string& folder);

}  // namespace skep::archive
