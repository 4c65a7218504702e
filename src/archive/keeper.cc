#include "archive/keeper.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "archive/sealing.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/threads.h"

namespace skep::archive {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kSealAfterNs = 3600 * kSecond;  // a day is over, and so are most of its sessions
constexpr int64_t kDayNs = 86'400 * kSecond;
constexpr int64_t kRetentionNs = 30 * kSecond;  // between two passes, unless the disk calls for one
constexpr int kLowestPriority = 19;

}  // namespace

Keeper::Keeper(std::string folder, KeeperOptions options)
    : folder_(std::move(folder)),
      options_(std::move(options)),
      retention_(folder_, options_.retention),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  SKEP_CHECK(wake_);
}

void Keeper::start() {
  thread_ = std::thread([this] { run(); });
  name_thread(thread_, "keeper");
}

Keeper::~Keeper() {
  stopping_ = true;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
  if (thread_.joinable()) thread_.join();
}

void Keeper::run() {
  ::setpriority(PRIO_PROCESS, 0, kLowestPriority);  // of this thread alone
  while (!stopping_) {
    pass();
    pollfd waited{wake_.get(), POLLIN, 0};
    ::poll(&waited, 1, static_cast<int>(options_.pass_ms));
  }
}

void Keeper::pass() {
  watch_disk(droppable_);
  said("retention", keep_retention(), retention_words_);
  said("compress", compress(), compress_words_);
  said("seal a day of the index", seal_days(), seal_words_);
}

// Once, not at every pass; it is tried again.
void Keeper::said(const char* what, const Status& status, std::string& last) {
  const std::string words = status ? "" : status.error().message;
  if (!words.empty() && words != last) log::error("archive: {}: {}; it is tried again", what, words);
  last = words;
}

bool Keeper::disk_low() const {
  const DiskRoom room = options_.room ? options_.room() : disk_room(folder_);
  return room.total > 0 && room.free < low_room(room, options_.segment_bytes, options_.writers);
}

void Keeper::watch_disk(bool droppable) {
  const DiskRoom room = options_.room ? options_.room() : disk_room(folder_);
  if (room.total == 0) return;  // the folder is gone: the writer says so
  const DiskStage before = stage_;
  const DiskStage now =
      next_stage(before, room.free, low_room(room, options_.segment_bytes, options_.writers), droppable);
  if (now == before) return;
  stage_ = now;
  const char* const words = now > before ? "the disk runs full" : "there is room again";
  log::warning("archive: {}, {} MiB are free: {} (was {})", words, room.free >> 20, to_string(now), to_string(before));
}

Status Keeper::keep_retention() {
  const bool limited = options_.retention.days > 0 || options_.retention.bytes > 0;
  const bool pressed = stage_ != DiskStage::roomy;
  if (!pressed && (!limited || now_monotonic_ns() < retention_due_ns_)) return {};
  retention_due_ns_ = now_monotonic_ns() + kRetentionNs;
  Pass wanted;
  wanted.now_ns = now_realtime_ns();
  wanted.finished = options_.finished();
  wanted.stop = &stopping_;
  wanted.all = stage_ >= DiskStage::tagged_only;
  if (pressed) wanted.more = [this] { return disk_low(); };
  const auto done = retention_.run(wanted);
  if (!done) return tl::unexpected<Error>(done.error());
  droppable_ = done->droppable;
  if (done->segments_removed + done->segments_shortened > 0)
    log::info(
        "archive: retention removed {} segments and shortened {}: {} "
        "MiB, {} sessions",
        done->segments_removed, done->segments_shortened, done->bytes_freed >> 20, done->sessions_forgotten);
  watch_disk(droppable_);
  return {};
}

Status Keeper::compress() {
  const auto numbers = list_segments(folder_);
  if (!numbers) return tl::unexpected<Error>(numbers.error());
  const uint32_t finished = options_.finished();
  for (const uint32_t number : *numbers) {
    if (number <= compressed_to_) continue;
    if (number > finished || stopping_) break;
    const auto written = written_ns(segment_path(folder_, number));
    if (written) {
      if (now_realtime_ns() - *written < options_.compress_after_s * kSecond) break;
      const auto sealed = seal_segment({folder_, number, {}, formats::Kept::all, &stopping_, {}});
      if (!sealed) return tl::unexpected<Error>(sealed.error());
      if (*sealed == Sealed::stopped) return {};
      if (*sealed == Sealed::damaged)
        log::warning(
            "archive: segment {} is damaged: it is left as it is, not "
            "compressed",
            number);
    }
    compressed_to_ = number;
  }
  return {};
}

Status Keeper::seal_days() {
  const int64_t over = (now_realtime_ns() - kSealAfterNs) / kDayNs;  // this day and those after it are not
  if (sealed_to_ >= over) return {};
  auto index = Index::open(folder_, true);
  if (!index) return tl::unexpected<Error>(index.error());
  for (const int64_t number : index->days()) {
    if (number >= over || stopping_) break;
    auto day = index->day(number);
    if (!day) return tl::unexpected<Error>(day.error());
    if (*day == nullptr) continue;
    if (auto sealed = (*day)->seal(); !sealed) return sealed;
  }
  if (!stopping_) sealed_to_ = over;
  return {};
}

}  // namespace skep::archive
