#include "archive/archive.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "archive/reader.h"
#include "archive/recovery.h"
#include "archive/segments.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

namespace skep::archive {
namespace {

constexpr size_t kEndedMax = 65'536;  // sessions that are remembered after their end, by all writers

Result<Fd> take_lock(const std::string& folder) {
  const std::string path = folder + "/lock";
  Fd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!lock) return fail_errno("open " + path);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return fail("{}: another skep-proxy writes there already", folder);
  return lock;
}

// So many numbers may a segment be behind the newest before it is left: where all writers take one after the other,
// none of theirs is.
constexpr uint32_t behind_max(unsigned writers) {
  return 2 * writers;
}

}  // namespace

Archive::Archive(std::string folder, const ArchiveOptions& options, Fd lock)
    : folder_(std::move(folder)),
      options_(options),
      lock_(std::move(lock)),
      evidence_(folder_),
      growing_(folder_, options.segment_bytes) {}

Result<std::unique_ptr<Archive>> Archive::open(const std::string& folder, const ArchiveOptions& options) {
  SKEP_CHECK(options.writers > 0 && options.writers <= kWritersMax);
  if (auto made = make_directories(folder + "/segments", 0750); !made) return tl::unexpected<Error>(made.error());
  auto lock = take_lock(folder);
  if (!lock) return tl::unexpected<Error>(lock.error());
  std::unique_ptr<Archive> archive(new Archive(folder, options, std::move(*lock)));
  if (auto begun = archive->begin(); !begun) return tl::unexpected<Error>(begun.error());
  return archive;
}

Status Archive::begin() {
  if (auto stands = evidence_.begin(); !stands) return stands;
  if (auto taken = take_in_rings(folder_); !taken) return taken;
  if (auto renewed = renew_index(); !renewed) return renewed;
  auto index = Index::open(folder_, true);
  if (!index) return tl::unexpected<Error>(index.error());
  auto left = recover_log(folder_, *index);
  if (!left) return tl::unexpected<Error>(left.error());
  // Never a number that was given already, also where the newest segments are gone.
  growing_.go_on_after(std::max(left->last_segment, dropped_up_to(folder_)));
  if (auto made = make_writers(left->last_id); !made) return made;
  if (auto recovered = recover_sessions(std::move(left->rows), *index); !recovered) return recovered;
  feed_->start();
  keeper_->start();
  return {};
}

// An index that there is not, or that an earlier version made, is made from the segments.
Status Archive::renew_index() const {
  const std::string single = single_index_path(folder_);
  const bool old = ::access(single.c_str(), F_OK) == 0;
  const auto numbers = list_segments(folder_);
  if (!numbers) return tl::unexpected<Error>(numbers.error());
  if (!old && (numbers->empty() || !list_days(folder_).empty())) return {};
  log::info("archive: the index is made from {} segments", numbers->size());
  if (auto made = rebuild_index(folder_); !made) return made;
  for (const char* ending : {"", "-wal", "-shm"}) ::unlink((single + ending).c_str());
  return {};
}

Status Archive::make_writers(uint64_t last_id) {
  keeper_ = std::make_unique<Keeper>(
      folder_, KeeperOptions{options_.segment_bytes, options_.writers, options_.compress_after_s, options_.retention,
                             options_.keeper_pass_ms, options_.room, [this] { return growing_.finished_up_to(); }});
  feed_ = std::make_unique<IndexFeed>(
      folder_,
      IndexFeedOptions{options_.writers, growing_.last() + 1,
                       [this](unsigned writer) { return writers_[writer]->log_->ring().stored(); }, options_.indexed});
  const SegmentWriterOptions each{options_.ring_bytes, options_.tell_durable, behind_max(options_.writers)};
  for (unsigned number = 0; number < options_.writers; ++number) {
    auto log = SegmentWriter::make(ring_path(folder_, number), each, growing_);
    if (!log) return tl::unexpected<Error>(log.error());
    writers_.emplace_back(
        new Writer(number, last_id, std::move(*log), {*feed_, *keeper_, kEndedMax / options_.writers}));
  }
  // The first writer's segment at once: where none can begin, that is found here.
  return writers_.front()->log_->begin_segment(now_realtime_ns());
}

Status Archive::recover_sessions(std::map<uint64_t, SessionSummary> rows, Index& index) {
  const uint32_t segment = growing_.last();
  const int64_t now = now_realtime_ns();
  std::vector<SessionSummary> all;
  for (auto& [id, row] : rows) {
    if (row.end_ns == 0) {
      recovered_.push_back(writer(writer_of({id})).recover(std::move(row), now));
      all.push_back(recovered_.back());
    } else {
      all.push_back(std::move(row));
    }
  }
  if (!recovered_.empty())
    log::warning("archive: {} sessions had no end: closed as crash-recovered", recovered_.size());
  for (const auto& each : writers_) {
    if (!each->flush()) return fail("{}: the first records cannot be written", folder_);
    each->all_indexed();
  }
  return index.put(all, segment);
}

Archive::~Archive() {
  keeper_.reset();
  for (const auto& writer : writers_) {
    writer->tick();
    writer->log_->stop();
  }
  for (const auto& writer : writers_) writer->log_->end();
  feed_.reset();
}

}  // namespace skep::archive
