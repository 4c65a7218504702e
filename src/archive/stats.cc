#include "archive/stats.h"

#include <filesystem>

#include "archive/disk_room.h"
#include "archive/index.h"
#include "archive/segments.h"

namespace skep::archive {
namespace {

Status count_segments(const std::string& folder, ArchiveStats& stats) {
  const auto numbers = list_segments(folder);
  if (!numbers) return tl::unexpected<Error>(numbers.error());
  stats.segments = numbers->size();
  for (const uint32_t number : *numbers) {
    const uint64_t sealed = bytes_on_disk(sealed_path(folder, number));
    stats.sealed += sealed > 0 ? 1 : 0;
    stats.segment_bytes += sealed + bytes_on_disk(segment_path(folder, number));
  }
  return {};
}

Status count_day(DayIndex& day, ArchiveStats& stats) {
  for (int each = 0; each < 4; ++each) {
    const auto count = number_of(day.database(), fmt::format("SELECT count(*) FROM sessions WHERE class = {}{}", each,
                                                             each == 1 ? "" : " AND class <> 1"));
    if (!count) return tl::unexpected<Error>(count.error());
    stats.sessions[each] += static_cast<uint64_t>(*count);
  }
  const auto open = number_of(day.database(), "SELECT count(*) FROM sessions WHERE end_ns = 0");
  const auto first = number_of(day.database(), "SELECT id FROM sessions ORDER BY id LIMIT 1");
  const auto last = number_of(day.database(), "SELECT id FROM sessions ORDER BY id DESC LIMIT 1");
  if (!open || !first || !last) return fail("index: a day cannot be counted");
  stats.sessions_open += static_cast<uint64_t>(*open);
  if (*first != 0 && stats.oldest_ns == 0) stats.oldest_ns = start_ns({static_cast<uint64_t>(*first)});
  if (*last != 0) stats.newest_ns = start_ns({static_cast<uint64_t>(*last)});
  stats.days_sealed += day.sealed() ? 1 : 0;
  return {};
}

Status count_index(const std::string& folder, ArchiveStats& stats) {
  auto index = Index::open(folder, false);
  if (!index) return tl::unexpected<Error>(index.error());
  for (const int64_t number : index->days()) {
    auto day = index->day(number);
    if (!day) return tl::unexpected<Error>(day.error());
    if (*day == nullptr) continue;
    ++stats.days;
    for (const char* ending : {"", "-wal"}) stats.index_bytes += bytes_on_disk(day_path(folder, number) + ending);
    if (auto counted = count_day(**day, stats); !counted) return counted;
  }
  return {};
}

}  // namespace

Result<ArchiveStats> archive_stats(const std::string& folder) {
  ArchiveStats stats;
  if (auto counted = count_index(folder, stats); !counted) return tl::unexpected<Error>(counted.error());
  if (auto counted = count_segments(folder, stats); !counted) return tl::unexpected<Error>(counted.error());
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder + "/evidence", error)) {
    if (!entry.is_regular_file(error)) continue;
    ++stats.copies;
    stats.copies_bytes += bytes_on_disk(entry.path());
  }
  stats.dropped_up_to = dropped_up_to(folder);
  const DiskRoom room = disk_room(folder);
  stats.disk_free = room.free;
  stats.disk_total = room.total;
  return stats;
}

}  // namespace skep::archive
