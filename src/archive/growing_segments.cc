#include "archive/growing_segments.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "archive/disk_room.h"
#include "archive/segment_file.h"

namespace skep::archive {
namespace {

constexpr uint64_t kSegmentLeastBytes = 256 << 10;  // that a segment is begun for

}  // namespace

Result<GrowingSegments::Begun> GrowingSegments::begin() {
  const std::lock_guard lock(mutex_);
  auto begun = make_file(last_ + 1);
  if (!begun) return begun;
  growing_.insert(begun->number);
  last_ = begun->number;
  return begun;
}

void GrowingSegments::finished(uint32_t number) {
  const std::lock_guard lock(mutex_);
  growing_.erase(number);
}

bool GrowingSegments::grows(uint32_t number) const {
  const std::lock_guard lock(mutex_);
  return growing_.contains(number);
}

uint32_t GrowingSegments::finished_up_to() const {
  const std::lock_guard lock(mutex_);
  return growing_.empty() ? last_.load() : *growing_.begin() - 1;
}

// With the room of a whole segment set aside, or of as much of one as there is: what is in the ring can then be stored.
// At most half of what there is, for the index wants room too.
Result<GrowingSegments::Begun> GrowingSegments::make_file(uint32_t number) const {
  const std::string path = segment_path(folder_, number);
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  Begun begun{Fd(::open(path.c_str(), kFlags | O_DIRECT, 0640)), number, segment_bytes_};
  if (!begun.file && errno == EINVAL) {  // a file system that has no direct writes
    ::unlink(path.c_str());
    begun.file.reset(::open(path.c_str(), kFlags, 0640));
  }
  if (!begun.file) return fail_errno("begin the segment " + path);
  const uint64_t least = std::min(segment_bytes_, kSegmentLeastBytes);
  const DiskRoom room = disk_room(folder_);
  for (; begun.capacity >= least; begun.capacity /= 2) {
    if (room.total > 0 && begun.capacity > std::max(room.free / 2, least)) continue;
    if (::fallocate(begun.file.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(begun.capacity)) == 0) return begun;
    if (errno == EOPNOTSUPP || errno == ENOSYS) return begun;
  }
  auto error = fail_errno("begin the segment " + path);
  ::unlink(path.c_str());
  return error;
}

}  // namespace skep::archive
