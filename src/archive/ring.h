// Ring: the mapped file in which the newest end of the log lies (formats/ring). One thread appends, another takes what
// is stored off it; whatever was committed is there for whoever opens the archive next, also after a SIGKILL.
//
// It lies in /dev/shm, or where that has no room or is no tmpfs in the archive itself; ARCHIVE/ring leads to that of
// the first writer, ARCHIVE/ring.1 to that of the next.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "formats/ring.h"

namespace skep::archive {

class Ring {
 public:
  // A fresh one; its path must be free. `bytes` is rounded up to whole blocks. `memory`: the tmpfs.
  static Result<std::unique_ptr<Ring>> make(const std::string& path, uint64_t bytes,
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
  // The one that was begun last ends at the head, and none follows yet.
  void end_segment();

  // The storer's.
  void set_stored(uint64_t position) { std::atomic_ref(header_->stored).store(position); }
  // Everything is stored and nobody appends: the file goes.
  void remove();

 private:
  Ring(std::string link, std::string path) : link_(std::move(link)), path_(std::move(path)) {}
  Status map(int fd, uint64_t bytes);

  const std::string link_;  // in the archive
  const std::string path_;  // where it leads to; or the same
  formats::RingHeader* header_ = nullptr;
  uint8_t* data_ = nullptr;
  size_t mapped_bytes_ = 0;
};

// ARCHIVE/ring, ARCHIVE/ring.1 …
std::string ring_path(const std::string& folder, unsigned writer);
constexpr char kUnreadableEnding[] = ".unreadable";  // of a ring that made no sense, and was set aside
// Is it the name of a ring in an archive's folder, or of one that was set aside?
bool is_ring_name(std::string_view name);
// Paths of the rings in the folder, those too that lead nowhere.
std::vector<std::string> list_rings(const std::string& folder);
// One of them holds what is still to be taken in; or skep-proxy runs there.
bool has_ring(const std::string& folder);

// The whole file of a ring that a former life left, copied; nullopt: there is none. `remove_ring` takes it away.
Result<std::optional<Bytes>> read_ring(const std::string& path);
Status remove_ring(const std::string& path);
// Where the folder's rings lie that lie in shared memory, and are ours.
std::vector<std::string> rings_in_memory(const std::string& folder);

}  // namespace skep::archive
