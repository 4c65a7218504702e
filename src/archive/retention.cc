#include "archive/retention.h"

#include <algorithm>

#include "archive/disk_room.h"
#include "archive/sealing.h"
#include "base/log.h"

namespace skep::archive {
namespace {

constexpr int64_t kDayNs = int64_t{86'400} * 1'000'000'000;

bool stopped(const Pass& pass) {
  return pass.stop != nullptr && *pass.stop;
}

}  // namespace

// Also what others did: a segment that came, was compressed, or was taken away
// by hand.
Status Retention::look_around() {
  const auto numbers = list_segments(folder_);
  if (!numbers) return tl::unexpected<Error>(numbers.error());
  std::erase_if(known_,
                [&](const auto& item) { return !std::binary_search(numbers->begin(), numbers->end(), item.first); });
  bytes_ = 0;
  for (const uint32_t number : *numbers) {
    Known& known = known_[number];
    // Again and again where it cannot be read: the newest one may not have its header yet.
    if (known.begun_ns == 0) {
      if (const auto file = SegmentFile::open(folder_, number)) {
        known.begun_ns = file->begun_ns();
        known.kept = file->kept();
      }
    }
    const auto written = written_ns(sealed_path(folder_, number));
    known.written_ns = written ? *written : written_ns(segment_path(folder_, number)).value_or(0);
    known.bytes = bytes_on_disk(segment_path(folder_, number)) + bytes_on_disk(sealed_path(folder_, number));
    bytes_ += known.bytes;
  }
  for (const int64_t day : list_days(folder_)) bytes_ += bytes_on_disk(day_path(folder_, day));
  return {};
}

// When it was last written, which is not before its last record. (When the next one began says nothing: that may be
// another writer's.)
int64_t Retention::end_of(const Known& known) {
  return std::max(known.written_ns, known.begun_ns);
}

bool Retention::settled(const Known& known, const Pass& pass) const {
  if (known.kept == formats::Kept::tagged || known.begun_ns == 0) return true;  // or it cannot be read
  return known.looked_ns != 0 && pass.now_ns - known.looked_ns < kUndecidedNs;
}

bool Retention::due(uint32_t number, const Pass& pass) const {
  if (pass.all) return true;
  if (options_.days > 0 && end_of(known_.at(number)) < pass.now_ns - options_.days * kDayNs) return true;
  if (options_.bytes > 0 && bytes_ > options_.bytes) return true;
  return pass.more && pass.more();
}

Result<PassOutcome> Retention::run(const Pass& pass) {
  PassOutcome outcome;
  if (auto looked = look_around(); !looked) return tl::unexpected<Error>(looked.error());
  auto index = Index::open(folder_, true);
  if (!index) return tl::unexpected<Error>(index.error());
  // Only what the index has whole: it says who is tagged.
  const auto indexed = index->indexed_segment();
  if (!indexed) return tl::unexpected<Error>(indexed.error());
  uint32_t last = 0;
  std::vector<uint32_t> numbers;
  for (const auto& [number, known] : known_) numbers.push_back(number);
  for (const uint32_t number : numbers) {
    if (number > pass.finished || number >= *indexed || stopped(pass)) break;
    if (settled(known_[number], pass)) continue;
    if (!due(number, pass)) {
      outcome.droppable = true;
      break;  // what comes after it is younger, or about as old
    }
    if (auto done = shorten(number, *index, pass, outcome); !done) return tl::unexpected<Error>(done.error());
    last = number;
  }
  // Where bytes alone may not be kept, the rows are: they say that there was a
  // session.
  if (last > 0 && !pass.all) {
    if (auto done = forget_rows(*index, pass, last, outcome); !done) return tl::unexpected<Error>(done.error());
  }
  return outcome;
}

Status Retention::shorten(uint32_t number, Index& index, const Pass& pass, PassOutcome& outcome) {
  bool undecided = false;
  std::map<uint64_t, bool> kept;
  SealJob job{folder_, number, {}, formats::Kept::tagged, pass.stop, {}};
  job.keep = [&](SessionId id) {
    const auto [found, fresh] = kept.emplace(id.value, true);
    if (!fresh) return found->second;
    const auto standing = index.standing(id);
    const bool tagged = standing && *standing && (*standing)->session_class >= SessionClass::suspect;
    const bool over =
        standing && *standing && (*standing)->end_ns != 0 && (*standing)->end_ns < pass.now_ns - kUndecidedNs;
    found->second = tagged || !over;
    undecided |= found->second && !tagged;
    return found->second;
  };
  // All of it is looked at before anything is written: what is undecided is
  // looked at again later.
  Known& known = known_[number];
  known.looked_ns = pass.now_ns;
  SegmentReader reader(folder_);
  const auto end = reader.scan(number, [&](const auto& record, const auto&) { job.keep(record.session); });
  if (!end || end->problem != formats::RecordProblem::none) {
    log::warning("archive: segment {} is damaged: retention leaves it as it is", number);
    known.kept = formats::Kept::tagged;
    return {};
  }
  if (undecided) job.kept = formats::Kept::some;
  const bool gains = std::any_of(kept.begin(), kept.end(), [](const auto& item) { return !item.second; });
  if (!gains && undecided) return {};  // nothing may go yet
  // Said before it is done: whoever finds something missing must be able to
  // know why.
  if (number > dropped_up_to(folder_)) {
    if (auto said = set_dropped_up_to(folder_, number); !said) return said;
  }
  const auto sealed = seal_segment(job);
  if (!sealed) return tl::unexpected<Error>(sealed.error());
  if (*sealed == Sealed::stopped || *sealed == Sealed::damaged) return {};
  const uint64_t now = bytes_on_disk(sealed_path(folder_, number));
  const uint64_t freed = known.bytes > now ? known.bytes - now : 0;
  outcome.bytes_freed += freed;
  bytes_ -= std::min(bytes_, freed);
  ++(*sealed == Sealed::nothing_kept ? outcome.segments_removed : outcome.segments_shortened);
  known.bytes = now;
  known.kept = job.kept;
  return {};
}

Status Retention::forget_rows(Index& index, const Pass& pass, uint32_t up_to, PassOutcome& outcome) {
  int64_t end_ns = 0;
  for (const auto& [number, known] : known_) {
    if (number <= up_to) end_ns = std::max(end_ns, end_of(known));
  }
  const int64_t last_day = day_of_time(std::min(end_ns, pass.now_ns));
  const int64_t today = day_of_time(pass.now_ns);
  for (const int64_t number : index.days()) {
    if (number > last_day || stopped(pass)) break;
    auto day = index.day(number);
    if (!day) return tl::unexpected<Error>(day.error());
    if (*day == nullptr) continue;
    const auto gone = (*day)->forget(up_to, pass.now_ns - kUndecidedNs);
    if (!gone) return tl::unexpected<Error>(gone.error());
    outcome.sessions_forgotten += *gone;
    const auto left = (*day)->count();
    if (!left) return tl::unexpected<Error>(left.error());
    // Not the newest: whoever feeds the index may hold it open.
    if (*left > 0 || number >= today - 1) continue;
    if (auto removed = index.remove_day(number); !removed) return removed;
  }
  return {};
}

}  // namespace skep::archive
