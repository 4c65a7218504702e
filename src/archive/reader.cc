#include "archive/reader.h"

#include <map>

#include "base/log.h"

namespace skep::archive {
namespace {

constexpr size_t kPlacesMax = 4096;  // even

}  // namespace

Result<Reader> Reader::open(const std::string& folder) {
  auto index = Index::open(folder, false);
  if (!index) return tl::unexpected<Error>(index.error());
  return Reader(folder, std::move(*index));
}

Status Reader::for_each(const SessionSummary& session, const formats::RecordPlace& after,
                        const std::function<void(const formats::Record&)>& take) {
  return for_each_while(session, after, [&](const formats::Record& record) {
    take(record);
    return true;
  });
}

// The links lead backwards, and what is wanted is the order in which things happened. The first way back keeps every
// n-th place, with n doubled whenever there are too many; from each of these the stretch before it is gone back once
// more.
Status Reader::for_each_while(const SessionSummary& session, const formats::RecordPlace& after,
                              const std::function<bool(const formats::Record&)>& take) {
  beginning_dropped_ = false;
  std::vector<formats::RecordPlace> kept;
  uint64_t stride = 1;
  uint64_t count = 0;
  auto walked = walk_back(session, session.last, after, [&](const formats::RecordPlace& place) {
    if (count++ % stride != 0) return;
    kept.push_back(place);
    if (kept.size() <= kPlacesMax) return;
    for (size_t i = 0; 2 * i < kept.size(); ++i) kept[i] = kept[2 * i];
    kept.resize(kept.size() / 2 + 1);
    stride *= 2;
  });
  if (!walked) return walked;
  std::vector<formats::RecordPlace> stretch;  // newest first
  formats::RecordPlace until = after;
  for (auto newest = kept.rbegin(); newest != kept.rend(); until = *newest++) {
    stretch.clear();
    if (stride == 1) stretch.push_back(*newest);
    if (stride > 1) walked = walk_back(session, *newest, until, [&](const auto& place) { stretch.push_back(place); });
    if (!walked) return walked;
    const auto more = hand_out(stretch, take);
    if (!more) return tl::unexpected<Error>(more.error());
    if (!*more) return {};
  }
  return {};
}

// Places only; they must fall, so that a damaged link cannot lead in a circle.
Status Reader::walk_back(const SessionSummary& session, const formats::RecordPlace& from,
                         const formats::RecordPlace& until,
                         const std::function<void(const formats::RecordPlace&)>& take) {
  for (formats::RecordPlace at = from; at && until < at;) {
    const auto loaded = segments_.read(at);
    if (!loaded) return tl::unexpected<Error>(loaded.error());
    if (loaded->gone) {
      beginning_dropped_ = true;
      break;
    }
    if (loaded->decoded.record.session != session.id)
      return fail("segment {}: the record at offset {} is another session's", at.segment, at.offset);
    take(at);
    const formats::RecordPlace previous = loaded->decoded.record.previous;
    if (previous && !(previous < at))
      return fail("segment {}: the record at offset {} links forwards", at.segment, at.offset);
    at = previous;
  }
  return {};
}

// False: no more are wanted.
Result<bool> Reader::hand_out(const std::vector<formats::RecordPlace>& newest_first,
                              const std::function<bool(const formats::Record&)>& take) {
  for (auto place = newest_first.rbegin(); place != newest_first.rend(); ++place) {
    const auto loaded = segments_.read(*place);
    if (!loaded) return tl::unexpected<Error>(loaded.error());
    if (loaded->gone) continue;  // retention came between
    if (!take(loaded->decoded.record)) return false;
  }
  return true;
}

Result<int64_t> Reader::last_time(const SessionSummary& session) {
  const auto loaded = segments_.read(session.last);
  if (!loaded) return tl::unexpected<Error>(loaded.error());
  return loaded->gone ? session.end_ns : loaded->decoded.record.time_ns;
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
  uint32_t first_open = 0;  // of those that are not sealed, and may have a tail
  for (const uint32_t number : *numbers) {
    const auto end =
        reader.scan(number, [&](const auto& record, const auto& place) { rebuilding.take(record, place); });
    if (!end) log::warning("archive: {}", end.error().message);
    const auto file = reader.open(number);
    if (first_open == 0 && !(file && (*file)->sealed())) first_open = number;
  }
  return rebuilding.put(first_open != 0 || numbers->empty() ? first_open : numbers->back());
}

}  // namespace skep::archive
