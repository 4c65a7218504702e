#include "archive/reader.h"

#include <map>

#include "base/log.h"

namespace skep::archive {

Result<Reader> Reader::open(const std::string& folder) {
  auto index = Index::open(folder, false);
  if (!index) return tl::unexpected<Error>(index.error());
  return Reader(folder, std::move(*index));
}

Status Reader::for_each(const SessionSummary& session, const formats::RecordPlace& after,
                        const std::function<void(const formats::Record&)>& take) {
  // Backwards along the links first, places only; they must fall, so that a damaged link cannot lead in a circle.
  std::vector<formats::RecordPlace> places;
  for (formats::RecordPlace at = session.last; at && after < at;) {
    const auto loaded = segments_.read(at);
    if (!loaded) return tl::unexpected<Error>(loaded.error());
    if (loaded->decoded.record.session != session.id)
      return fail("segment {}: the record at offset {} is another session's", at.segment, at.offset);
    places.push_back(at);
    const formats::RecordPlace previous = loaded->decoded.record.previous;
    if (previous && !(previous < at))
      return fail("segment {}: the record at offset {} links forwards", at.segment, at.offset);
    at = previous;
  }
  for (auto place = places.rbegin(); place != places.rend(); ++place) {
    const auto loaded = segments_.read(*place);
    if (!loaded) return tl::unexpected<Error>(loaded.error());
    take(loaded->decoded.record);
  }
  return {};
}

Status rebuild_index(const std::string& folder) {
  auto index = Index::open(folder, true);
  if (!index) return tl::unexpected<Error>(index.error());
  const auto numbers = list_segments(folder);
  if (!numbers) return tl::unexpected<Error>(numbers.error());
  std::map<uint64_t, SessionSummary> rows;
  SegmentReader reader(folder);
  for (const uint32_t number : *numbers) {
    const auto end = reader.scan(number, [&](const formats::Record& record, const formats::RecordPlace& place) {
      apply(rows[record.session.value], record, place);
    });
    if (!end) log::warning("archive: {}", end.error().message);
  }
  std::vector<SessionSummary> all;
  for (auto& [id, row] : rows) all.push_back(std::move(row));
  if (auto cleared = index->clear(); !cleared) return cleared;
  return index->put(all);
}

}  // namespace skep::archive
