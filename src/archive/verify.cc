#include "archive/verify.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include "archive/evidence_store.h"
#include "archive/index.h"
#include "archive/ring.h"
#include "archive/segments.h"
#include "base/fd.h"
#include "base/sha256.h"
#include "formats/event_codec.h"

namespace skep::archive {
namespace {

using formats::RecordPlace;
using formats::RecordProblem;

constexpr size_t kRowsAtOnce = 10'000;
constexpr std::string_view kOurs[] = {"lock", "segments", "index", "evidence", "dropped", "tagged", "proxy.sock"};

std::string place_text(const RecordPlace& place) {
  return fmt::format("segment {} offset {}", place.segment, place.offset);
}

class Verifying {
 public:
  Verifying(const std::string& folder, const std::function<void(const Finding&)>& found)
      : folder_(folder), found_(found), dropped_(dropped_up_to(folder)) {
    report_.dropped_up_to = dropped_;
    report_.live = is_written(folder) || has_ring(folder);
  }
  Status run() {
    auto index = Index::open(folder_, false);
    if (!index) return tl::unexpected<Error>(index.error());
    if (report_.live) growing_from_ = index->indexed_segment().value_or(0);
    folder();
    if (auto done = segments(); !done) return done;
    rows(*index);
    for (const auto& [id, seen] : sessions_) {
      if (!seen.in_index && !report_.live)
        problem(to_string(SessionId{id}),
                fmt::format("its last record is at {}; the index does not know it", place_text(seen.last)));
    }
    copies();
    report_.sessions = sessions_.size();
    return {};
  }
  const VerifyReport& report() const { return report_; }

 private:
  struct Seen {
    RecordPlace last;
    uint32_t alerts = 0;
    uint32_t rule_hits = 0;
    SessionClass session_class = SessionClass::known;  // that alerts have raised it to; the lowest: none has
    bool in_index = false;
  };

  void problem(std::string where, std::string what) {
    ++report_.problems;
    found_({false, std::move(where), std::move(what)});
  }
  void foreign(std::string where) {
    ++report_.foreign;
    found_({true, std::move(where), "none of ours"});
  }

  void folder() {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
      const std::string name = entry.path().filename();
      const bool ours = std::find(std::begin(kOurs), std::end(kOurs), name) != std::end(kOurs) || is_ring_name(name);
      if (!ours) foreign(name);
    }
    std::vector<std::string> names;
    list_days(folder_, &names);
    for (const std::string& name : names) foreign("index/" + name);
  }

  Status segments() {
    std::vector<std::string> names;
    const auto numbers = list_segments(folder_, &names);
    if (!numbers) return tl::unexpected<Error>(numbers.error());
    for (const std::string& name : names) foreign("segments/" + name);
    uint32_t expected = dropped_ + 1;
    for (const uint32_t number : *numbers) {
      for (; expected < number; ++expected) missing(expected);
      expected = std::max(expected, number + 1);
      segment(number);
    }
    return {};
  }
  void missing(uint32_t number) {
    if (number > dropped_up_to(folder_)) problem(fmt::format("segment {}", number), "is missing");
  }

  void segment(uint32_t number) {
    SegmentReader reader(folder_);
    const auto file = reader.open(number);
    if (!file && file.error().code == ENOENT) return missing(number);  // retention was there meanwhile
    const std::string name = fmt::format("segment {}", number);
    if (!file) return problem(name, file.error().message);
    ++report_.segments;
    report_.sealed += (*file)->sealed() ? 1 : 0;
    const auto end = reader.scan(number, [&](const auto& record, const auto& place) { take(record, place); });
    if (!end) return problem(name, end.error().message);
    report_.bytes += end->offset;
    if (may_grow(number)) return;
    if (end->problem == RecordProblem::torn)
      return problem(name, fmt::format("ends within a record at offset {}", end->offset));
    if (end->problem != RecordProblem::none) return problem(name, fmt::format("is damaged at offset {}", end->offset));
    if (!(*file)->sealed()) rest(number, end->offset);
  }
  // What the index had whole when the look began grows no more.
  bool may_grow(uint32_t number) const { return report_.live && number >= growing_from_; }
  // Zeroes where a record should be end the reading without a word.
  void rest(uint32_t number, uint64_t from) {
    struct stat about {};
    const std::string path = segment_path(folder_, number);
    if (::stat(path.c_str(), &about) != 0 || static_cast<uint64_t>(about.st_size) <= from) return;
    problem(fmt::format("segment {}", number),
            fmt::format("is blank from offset {} on, {} bytes", from, static_cast<uint64_t>(about.st_size) - from));
  }

  void take(const formats::Record& record, const RecordPlace& place) {
    ++report_.records;
    Seen& seen = sessions_[record.session.value];
    if (record.previous != seen.last && record.previous.segment > dropped_ && !may_grow(record.previous.segment))
      problem(to_string(record.session),
              fmt::format("the record at {} names {} as the one before it, which is at {}", place_text(place),
                          place_text(record.previous), seen.last ? place_text(seen.last) : "no place"));
    seen.last = place;
    if (record.type == formats::RecordType::rule) ++seen.rule_hits;
    if (record.type != formats::RecordType::alert) return;
    ++seen.alerts;
    if (const auto alert = formats::decode<Alert>(record.payload))
      seen.session_class = std::max(seen.session_class, alert->raises_to());
  }

  void rows(Index& index) {
    Filter page;
    page.limit = kRowsAtOnce;
    while (true) {
      const auto rows = index.select(page);
      if (!rows) return problem("index", rows.error().message);
      for (const SessionSummary& row : *rows) check(row);
      report_.rows += rows->size();
      if (rows->size() < kRowsAtOnce) return;
      page.after = rows->back().id.value;
    }
  }
  void check(const SessionSummary& row) {
    const auto found = sessions_.find(row.id.value);
    if (found == sessions_.end()) {
      const bool may_be_gone = row.session_class < SessionClass::suspect && row.last.segment <= dropped_up_to(folder_);
      if (!may_be_gone && !report_.live) problem(to_string(row.id), "is in the index; no segment has a record of it");
      return;
    }
    Seen& seen = found->second;
    seen.in_index = true;
    if (report_.live) return;  // either may be ahead
    if (row.last != seen.last)
      return problem(to_string(row.id), fmt::format("its last record is at {}, by the index at {}",
                                                    place_text(seen.last), place_text(row.last)));
    if (row.alerts_total < seen.alerts || row.session_class < seen.session_class)
      problem(to_string(row.id), fmt::format("the index knows {} of its {} alerts", row.alerts_total, seen.alerts));
    if (row.rule_hits_total < seen.rule_hits)
      problem(to_string(row.id),
              fmt::format("the index knows {} of the {} rules that fired", row.rule_hits_total, seen.rule_hits));
  }

  void copies() {
    std::error_code error;
    for (const auto& folder : std::filesystem::directory_iterator(folder_ + "/evidence", error)) {
      if (!folder.is_directory()) continue;
      std::error_code inner;
      for (const auto& copy : std::filesystem::directory_iterator(folder.path(), inner)) check_copy(copy.path());
    }
  }
  void check_copy(const std::filesystem::path& path) {
    const std::string name = path.filename();
    const std::string where = "evidence/" + path.parent_path().filename().string() + "/" + name;
    if (evidence_path(folder_, name) != path.string()) return foreign(where);
    ++report_.copies;
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    Sha256 hash;
    Bytes window(1 << 20);
    ssize_t got = file ? 1 : -1;
    while (got > 0) {
      got = ::read(file.get(), window.data(), window.size());
      if (got > 0) hash.add(ByteView(window).first(static_cast<size_t>(got)));
    }
    if (got < 0) return problem(where, "cannot be read");
    if (hex(hash.finish()) != name) problem(where, "is not what its name says");
  }

  const std::string& folder_;
  const std::function<void(const Finding&)>& found_;
  const uint32_t dropped_;
  uint32_t growing_from_ = 0;
  VerifyReport report_;
  std::unordered_map<uint64_t, Seen> sessions_;
};

}  // namespace

bool is_written(const std::string& folder) {
  const Fd lock(::open((folder + "/lock").c_str(), O_RDONLY | O_CLOEXEC));
  return lock && ::flock(lock.get(), LOCK_SH | LOCK_NB) != 0;
}

Result<VerifyReport> verify_archive(const std::string& folder, const std::function<void(const Finding&)>& found) {
  Verifying verifying(folder, found);
  if (auto done = verifying.run(); !done) return tl::unexpected<Error>(done.error());
  return verifying.report();
}

}  // namespace skep::archive
