#include "archive/sealing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "archive/segments.h"
#include "base/fd.h"
#include "base/log.h"

namespace skep::archive {
namespace {

using formats::Record;
using formats::RecordPlace;

std::string part_path(const std::string& folder, uint32_t number) {
  return sealed_path(folder, number) + kPartEnding;
}

Status write_whole(int fd, ByteView bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return fail_errno("write a sealed segment");
    done += static_cast<size_t>(put);
  }
  return {};
}

Status sync_folder(const std::string& folder) {
  const Fd fd(::open((folder + "/segments").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return fail_errno("sync " + folder + "/segments");
  return {};
}

// The new file: records are gathered to frames, each of which is written when
// it is full.
class Frames {
 public:
  Frames(int fd, const SealJob& job) : fd_(fd), job_(job) { table_.number = job.number; }

  // Whole bytes of the segment, in order; what lies between two of them is not
  // kept.
  Status add(ByteView bytes, uint64_t offset) {
    if (!frame_.empty() && offset != begin_ + frame_.size()) {
      const uint64_t gap = offset - (begin_ + frame_.size());
      if (frame_.size() + gap < formats::kFrameBytesAim) {
        frame_.resize(frame_.size() + gap);  // zeroes: they cost less than a frame of their own
      } else if (auto done = flush(); !done) {
        return done;
      }
    }
    if (frame_.empty()) begin_ = offset;
    frame_.insert(frame_.end(), bytes.begin(), bytes.end());
    return frame_.size() >= formats::kFrameBytesAim ? flush() : Status{};
  }
  Status finish(uint64_t segment_bytes) {
    if (auto done = flush(); !done) return done;
    table_.segment_bytes = segment_bytes;
    table_.kept = job_.kept;
    return write_whole(fd_, formats::encode_sealed_table(table_));
  }

 private:
  Status flush() {
    if (frame_.empty()) return {};
    const Bytes packed = formats::pack_frame(frame_);
    if (table_.frames.size() >= formats::kFramesMax) return fail("segment {} is too long to be sealed", job_.number);
    table_.frames.push_back(
        {begin_, place_, static_cast<uint32_t>(frame_.size()), static_cast<uint32_t>(packed.size())});
    place_ += packed.size();
    frame_.clear();
    auto written = write_whole(fd_, packed);
    if (written && job_.after_a_frame) job_.after_a_frame(place_);
    return written;
  }
  const int fd_;
  const SealJob& job_;
  formats::SealedTable table_;
  Bytes frame_;
  uint64_t begin_ = 0;
  uint64_t place_ = 0;
};

struct Copied {
  SegmentReader::ScanEnd end;
  uint64_t file_end = 0;
  size_t records = 0;
  Status status;
};

Copied copy_records(const SealJob& job, SegmentFile& source, Frames& frames) {
  Copied copied;
  Bytes encoded(formats::kSegmentHeaderBytes);
  if (auto got = source.read(encoded.data(), encoded.size(), 0); !got)
    copied.status = tl::unexpected<Error>(got.error());
  if (copied.status) copied.status = frames.add(encoded, 0);
  const auto take = [&](const Record& record, const RecordPlace& place) {
    if (!copied.status || (job.stop != nullptr && *job.stop)) return;
    if (job.keep && !job.keep(record.session)) return;
    encoded.clear();
    formats::encode_record(record, encoded);
    copied.status = frames.add(encoded, place.offset);
    ++copied.records;
  };
  const auto end = scan_segment(source, job.number, take);
  if (end) copied.end = *end;
  if (!end && copied.status) copied.status = tl::unexpected<Error>(end.error());
  return copied;
}

// With the time of what it is made of: retention asks when the segment was last written.
Status put_in_place(const SealJob& job, const std::string& part, const Fd& file, int64_t written_ns) {
  const timespec times[2] = {{0, UTIME_OMIT}, {written_ns / 1'000'000'000, written_ns % 1'000'000'000}};
  if (::futimens(file.get(), times) != 0 || ::fsync(file.get()) != 0) return fail_errno("write " + part);
  const std::string path = sealed_path(job.folder, job.number);
  if (std::rename(part.c_str(), path.c_str()) != 0) return fail_errno("rename " + part);
  if (auto synced = sync_folder(job.folder); !synced) return synced;
  if (::unlink(segment_path(job.folder, job.number).c_str()) != 0 && errno != ENOENT)
    return fail_errno("remove " + segment_path(job.folder, job.number));
  return {};
}

Status remove_segment(const SealJob& job) {
  for (const std::string& path : {segment_path(job.folder, job.number), sealed_path(job.folder, job.number)}) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("remove " + path);
  }
  return {};
}

}  // namespace

Result<Sealed> seal_segment(const SealJob& job) {
  auto source = SegmentFile::open(job.folder, job.number);
  if (!source) return tl::unexpected<Error>(source.error());
  const std::string part = part_path(job.folder, job.number);
  Fd file(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (!file) return fail_errno("open " + part);
  Frames frames(file.get(), job);
  const Copied copied = copy_records(job, *source, frames);
  const auto leave = [&](Sealed how) -> Result<Sealed> {
    ::unlink(part.c_str());
    return how;
  };
  if (job.stop != nullptr && *job.stop) return leave(Sealed::stopped);
  if (copied.status && copied.end.problem != formats::RecordProblem::none) return leave(Sealed::damaged);
  if (copied.status && copied.records == 0 && job.keep) {
    if (auto removed = remove_segment(job); !removed) return tl::unexpected<Error>(removed.error());
    return leave(Sealed::nothing_kept);
  }
  Status done = copied.status;
  if (done) done = frames.finish(copied.end.offset);
  if (done) done = put_in_place(job, part, file, source->written_ns());
  if (done) return Sealed::done;
  ::unlink(part.c_str());
  return wrap(fmt::format("seal segment {}", job.number), done);
}

Status remove_half_sealed(const std::string& folder) {
  std::vector<std::string> foreign;
  std::vector<std::string> parts;
  const auto numbers = list_segments(folder, &foreign, &parts);
  if (!numbers) return tl::unexpected<Error>(numbers.error());
  for (const std::string& name : parts) {
    if (::unlink((folder + "/segments/" + name).c_str()) != 0) return fail_errno("remove " + name);
  }
  // Sealed, but the crash came before the old file went.
  for (const uint32_t number : *numbers) {
    if (::access(sealed_path(folder, number).c_str(), F_OK) != 0) continue;
    if (::unlink(segment_path(folder, number).c_str()) != 0 && errno != ENOENT)
      return fail_errno("remove " + segment_path(folder, number));
  }
  return {};
}

}  // namespace skep::archive
