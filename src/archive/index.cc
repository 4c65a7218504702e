#include "archive/index.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "base/file.h"

namespace skep::archive {
namespace {

constexpr int64_t kDayNs = int64_t{86'400} * 1'000'000'000;
constexpr size_t kOpenMax = 16;
constexpr std::string_view kEnding = ".sqlite";

bool there(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

std::optional<int64_t> day_named(std::string_view name) {
  if (!name.ends_with(kEnding)) return std::nullopt;
  name.remove_suffix(kEnding.size());
  const auto time = name.size() == 10 ? parse_time(name) : std::nullopt;
  return time ? std::optional(day_of_time(*time)) : std::nullopt;
}

// SQLite's own, beside a day's database.
bool of_a_day(std::string_view name) {
  for (const std::string_view ending : {"-wal", "-shm", "-journal"}) {
    if (name.ends_with(ending)) return day_named(name.substr(0, name.size() - ending.size())).has_value();
  }
  return false;
}

}  // namespace

int64_t day_of_time(int64_t realtime_ns) {
  return realtime_ns / kDayNs;
}

int64_t day_of(SessionId id) {
  return day_of_time(start_ns(id));
}

std::string day_path(const std::string& folder, int64_t day) {
  return fmt::format("{}/index/{}{}", folder, format_time(day * kDayNs).substr(0, 10), kEnding);
}

std::string single_index_path(const std::string& folder) {
  return folder + "/index.sqlite";
}

std::vector<int64_t> list_days(const std::string& folder, std::vector<std::string>* foreign) {
  std::vector<int64_t> days;
  DIR* stream = ::opendir((folder + "/index").c_str());
  if (stream == nullptr) return days;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (const auto day = day_named(name)) {
      days.push_back(*day);
    } else if (foreign != nullptr && name != "." && name != ".." && !of_a_day(name)) {
      foreign->emplace_back(name);
    }
  }
  ::closedir(stream);
  std::sort(days.begin(), days.end());
  return days;
}

Result<Index> Index::open(const std::string& folder, bool writable) {
  const std::string path = folder + "/index";
  if (writable) {
    // In skep-proxy at work nobody may make one: it was made at the start.
    // Not the archive's folder itself: one that has vanished stays so.
    if (::mkdir(path.c_str(), 0750) != 0 && !there(path)) return fail_errno("make the folder " + path);
  } else if (!there(path)) {
    if (!there(single_index_path(folder))) return fail("there is no archive in {} ({} is missing)", folder, path);
    return fail("{} has its index in one file, as an earlier skep-proxy made it: start skep-proxy there once", folder);
  }
  return Index(folder, writable);
}

Result<DayIndex*> Index::day(int64_t day, bool make) {
  const std::string path = day_path(folder_, day);
  if (const auto found = open_.find(day); found != open_.end()) {
    if (there(path)) return &found->second;
    open_.erase(found);  // retention has taken it away
  }
  if (!make && !there(path)) return nullptr;
  auto opened = DayIndex::open(path, writable_ ? Access::write : Access::read);
  if (!opened && !writable_ && opened.error().code == ENOENT) return nullptr;
  if (!opened) return tl::unexpected<Error>(opened.error());
  if (open_.size() >= kOpenMax) open_.erase(open_.begin());
  return &open_.emplace(day, std::move(*opened)).first->second;
}

Status Index::put(const std::vector<SessionSummary>& rows, uint32_t indexed_segment) {
  std::vector<const SessionSummary*> all;
  for (const SessionSummary& row : rows) all.push_back(&row);
  return put(all, indexed_segment);
}

Status Index::put(const std::vector<const SessionSummary*>& rows, uint32_t indexed_segment) {
  std::map<int64_t, std::vector<const SessionSummary*>, std::greater<>> by_day;  // the newest first: it is waited for
  for (const SessionSummary* row : rows) by_day[day_of(row->id)].push_back(row);
  Status all;
  for (const auto& [number, of_day] : by_day) {
    auto index = day(number, true);
    const Status put = index ? (*index)->put(of_day, 0) : Status(tl::unexpected<Error>(index.error()));
    if (!put) all = put;
  }
  if (!all || indexed_segment == 0) return all;
  const auto newest = days();
  if (newest.empty()) return all;
  auto index = day(newest.back());
  if (!index) return tl::unexpected<Error>(index.error());
  return *index == nullptr ? all : (*index)->put({}, indexed_segment);
}

Result<std::vector<SessionSummary>> Index::select(const Filter& filter) {
  std::vector<int64_t> all = days();
  if (filter.newest_first) std::reverse(all.begin(), all.end());
  std::vector<SessionSummary> rows;
  for (const int64_t number : all) {
    if (number < day_of_time(filter.since_ns) || number < day_of({filter.after})) continue;
    if (filter.until_ns > 0 && number > day_of_time(filter.until_ns)) continue;
    if (rows.size() >= filter.limit) break;
    auto index = day(number);
    if (!index) return tl::unexpected<Error>(index.error());
    if (*index == nullptr) continue;  // taken away meanwhile
    Filter rest = filter;
    rest.limit -= rows.size();
    auto found = (*index)->select(rest);
    if (!found) return tl::unexpected<Error>(found.error());
    rows.insert(rows.end(), std::make_move_iterator(found->begin()), std::make_move_iterator(found->end()));
  }
  return rows;
}

Result<std::optional<SessionSummary>> Index::find(SessionId id) {
  auto index = day(day_of(id));
  if (!index) return tl::unexpected<Error>(index.error());
  if (*index == nullptr) return std::optional<SessionSummary>();
  return (*index)->find(id);
}

Result<std::optional<DayIndex::Standing>> Index::standing(SessionId id) {
  auto index = day(day_of(id));
  if (!index) return tl::unexpected<Error>(index.error());
  if (*index == nullptr) return std::optional<DayIndex::Standing>();
  return (*index)->standing(id);
}

Result<std::vector<SessionSummary>> Index::open_sessions() {
  std::vector<SessionSummary> rows;
  for (const int64_t number : days()) {
    auto index = day(number);
    if (!index) return tl::unexpected<Error>(index.error());
    if (*index == nullptr) continue;
    auto open = (*index)->open_sessions();
    if (!open) return open;
    rows.insert(rows.end(), std::make_move_iterator(open->begin()), std::make_move_iterator(open->end()));
  }
  return rows;
}

Result<std::vector<RuleCount>> Index::rule_counts(int64_t since_ns) {
  std::map<std::pair<uint32_t, uint32_t>, RuleCount> all;
  for (const int64_t number : days()) {
    if (number < day_of_time(since_ns)) continue;
    auto index = day(number);
    if (!index) return tl::unexpected<Error>(index.error());
    if (*index == nullptr) continue;
    // A day that is wanted from its beginning need not be counted one by one.
    auto counts = (*index)->rule_counts(number == day_of_time(since_ns) ? since_ns : 0);
    if (!counts) return counts;
    for (RuleCount& count : *counts) {
      RuleCount& sum = all[{count.gid, count.sid}];
      count.sessions += sum.sessions;
      count.bytes += sum.bytes;
      if (sum.first_ns > 0) count.first_ns = sum.first_ns;  // days come in their order
      sum = std::move(count);
    }
  }
  std::vector<RuleCount> sums;
  for (auto& [rule, sum] : all) sums.push_back(std::move(sum));
  return sums;
}

Result<uint32_t> Index::indexed_segment() {
  uint32_t newest = 0;
  for (const int64_t number : days()) {
    auto index = day(number);
    if (!index) return tl::unexpected<Error>(index.error());
    if (*index == nullptr) continue;
    const auto indexed = (*index)->indexed_segment();
    if (!indexed) return tl::unexpected<Error>(indexed.error());
    newest = std::max(newest, *indexed);
  }
  return newest;
}

Status Index::remove_day(int64_t day) {
  open_.erase(day);
  const std::string path = day_path(folder_, day);
  for (const char* ending : {"", "-wal", "-shm"}) {
    if (::unlink((path + ending).c_str()) != 0 && errno != ENOENT) return fail_errno("remove " + path + ending);
  }
  return {};
}

Status Index::clear() {
  for (const int64_t number : days()) {
    if (auto removed = remove_day(number); !removed) return removed;
  }
  return {};
}

}  // namespace skep::archive
