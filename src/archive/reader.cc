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

namespace {

constexpr size_t kRowsInMemory = 50'000;

// Sessions by the segments' records; those that do not fit the memory wait in the index.
class Rebuilding {
 public:
  explicit Rebuilding(Index& index) : index_(index) {}
  void take(const formats::Record& record, const formats::RecordPlace& place) {
    auto found = rows_.find(record.session.value);
    if (found == rows_.end()) {
      if (rows_.size() >= kRowsInMemory) [[maybe_unused]]
        const auto put_now = put(0);  // an error stays in status_
      found = rows_.emplace(record.session.value, known(record.session)).first;
    }
    apply(found->second, record, place);
  }
  Status put(uint32_t indexed_segment) {
    std::vector<SessionSummary> all;
    for (auto& [id, row] : rows_) all.push_back(std::move(row));
    rows_.clear();
    spilt_ = true;
    if (const auto done = index_.put(all, indexed_segment); !done && status_) status_ = done;
    return status_;
  }

 private:
  SessionSummary known(SessionId id) {
    if (!spilt_) return {};
    auto row = index_.find(id);
    if (!row && status_) status_ = tl::unexpected<Error>(row.error());
    return row && *row ? std::move(**row) : SessionSummary{};
  }
  Index& index_;
  std::map<uint64_t, SessionSummary> rows_;
  bool spilt_ = false;
  Status status_;
};

}  // namespace

Status rebuild_index(const std::string& folder) {
  auto index = Index::open(folder, true);
  if (!index) return tl::unexpected<Error>(index.error());
  const auto numbers = list_segments(folder);
  if (!numbers) return tl::unexpected<Error>(numbers.error());
  if (auto cleared = index->clear(); !cleared) return cleared;
  Rebuilding rebuilding(*index);
  SegmentReader reader(folder);
  for (const uint32_t number : *numbers) {
    const auto end =
        reader.scan(number, [&](const auto& record, const auto& place) { rebuilding.take(record, place); });
    if (!end) log::warning("archive: {}", end.error().message);
  }
  return rebuilding.put(numbers->empty() ? 0 : numbers->back());
}

}  // namespace skep::archive
