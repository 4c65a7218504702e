#include "view/tagged_logs.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "archive/disk_room.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/threads.h"
#include "view/output_file.h"
#include "view/session_pcapng.h"

namespace skep::view {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kLastNs = 2 * kSecond;
constexpr int kRetryMs = 30'000;  // after one that failed
constexpr int kOverflowMs = 1000;
constexpr int kNice = 10;  // sessions go before
constexpr size_t kPage = 256;
constexpr char kPart[] = ".part";

std::string folder_of(const std::string& archive) {
  return archive + "/tagged";
}

// What a former life left half.
void remove_parts(const std::string& folder) {
  DIR* const stream = ::opendir(folder.c_str());
  if (stream == nullptr) return;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string name = entry->d_name;
    if (name.ends_with(kPart)) ::unlink((folder + "/" + name).c_str());
  }
  ::closedir(stream);
}

}  // namespace

std::string tagged_log_path(const std::string& folder, SessionId id) {
  return fmt::format("{}/{}.pcapng", folder_of(folder), to_string(id));
}

TaggedLogs::~TaggedLogs() {
  deadline_ns_ = now_monotonic_ns() + kLastNs;
  stopping_ = true;
  waiting_.push({});  // wakes the thread; where the queue is full it is awake
  if (thread_.joinable()) thread_.join();
}

Status TaggedLogs::start() {
  if (auto made = make_directories(folder_of(folder_), 0750); !made) return made;
  thread_ = std::thread([this] { run(); });
  name_thread(thread_, "tagged");
  return {};
}

void TaggedLogs::indexed(const archive::SessionSummary& row) {
  if (row.session_class < SessionClass::suspect || !is_due(row)) return;
  if (waiting_.push(row.id)) return;
  if (!look_again_.exchange(true))
    log::warning("tagged: {} sessions wait for their logs already: the others are found by a look at all",
                 waiting_.refused());
}

// Of a live one only what its class says is news: its bytes come with its end.
bool TaggedLogs::is_due(const archive::SessionSummary& row) {
  const std::lock_guard lock(mutex_);
  if (row.end_ns != 0) {
    live_.erase(row.id.value);
    return true;
  }
  if (live_.size() >= kLiveMax) live_.clear();  // some are then written once more
  SessionClass& known = live_[row.id.value];    // `known`, the lowest, where it is new
  return std::exchange(known, row.session_class) < row.session_class;
}

void TaggedLogs::run() {
  ::setpriority(PRIO_PROCESS, 0, kNice);  // of this thread alone
  remove_parts(folder_of(folder_));
  while (true) {
    if (look_again_.exchange(false)) look_at_all();
    pollfd wait{waiting_.wake_fd(), POLLIN, 0};
    ::poll(&wait, 1, look_again_ ? kOverflowMs : failing_ ? kRetryMs : -1);
    if (wait.revents == 0 && failing_) look_again_ = true;
    const bool last = stopping_;
    std::set<uint64_t> due;  // each once
    for (const SessionId id : waiting_.take_all()) due.insert(id.value);
    for (const uint64_t id : due) {
      if (id != 0 && !out_of_time()) write(SessionId{id});
    }
    if (last) return;
  }
}

bool TaggedLogs::out_of_time() const {
  return stopping_ && now_monotonic_ns() > deadline_ns_;
}

void TaggedLogs::look_at_all() {
  failing_ = false;
  for (const SessionClass each : {SessionClass::attack, SessionClass::suspect}) {
    if (const auto looked = look_at(each); !looked) {
      log::error("tagged: {}", looked.error().message);
      failing_ = true;
    }
  }
}

Status TaggedLogs::look_at(SessionClass session_class) {
  auto reader = archive::Reader::open(folder_);
  if (!reader) return tl::unexpected<Error>(reader.error());
  archive::Filter filter;
  filter.session_class = session_class;
  filter.limit = kPage;
  while (true) {
    const auto rows = reader->list(filter);
    if (!rows) return tl::unexpected<Error>(rows.error());
    for (const archive::SessionSummary& row : *rows) {
      if (out_of_time()) return {};
      const auto current = is_current(*reader, row);
      if (current && *current) continue;
      const Status written = current ? write(*reader, row) : Status(tl::unexpected<Error>(current.error()));
      if (!written) failed(row.id, written.error());
    }
    if (rows->size() < kPage) return {};
    filter.after = rows->back().id.value;
  }
}

// The file's time is that of the last record in it.
Result<bool> TaggedLogs::is_current(archive::Reader& reader, const archive::SessionSummary& row) const {
  struct stat about {};
  if (::stat(tagged_log_path(folder_, row.id).c_str(), &about) != 0) return false;
  const auto last_ns = reader.last_time(row);
  if (!last_ns) return tl::unexpected<Error>(last_ns.error());
  return about.st_mtim.tv_sec * kSecond + about.st_mtim.tv_nsec >= *last_ns;
}

void TaggedLogs::write(SessionId id) {
  // Each time anew: one that stays open would hold segments that have been removed.
  auto reader = archive::Reader::open(folder_);
  if (!reader) return failed(id, reader.error());
  const auto row = reader->find(id);
  if (!row) return failed(id, row.error());
  if (!*row) return;
  if (const auto written = write(*reader, **row); !written) failed(id, written.error());
}

Status TaggedLogs::write(archive::Reader& reader, const archive::SessionSummary& row) {
  if (auto room = check_room(row); !room) return room;
  const auto last_ns = reader.last_time(row);
  if (!last_ns) return tl::unexpected<Error>(last_ns.error());
  const std::string path = tagged_log_path(folder_, row.id);
  const std::string part = path + kPart;
  auto file = OutputFile::open(part);
  if (!file) return tl::unexpected<Error>(file.error());
  Status done = write_pcapng(reader, row, [&](ByteView bytes) { return !out_of_time() && file->put(bytes); });
  if (done) done = file->finish();
  if (done && out_of_time()) done = fail("no time is left: the next start writes it");
  const timespec times[2] = {{*last_ns / kSecond, *last_ns % kSecond}, {*last_ns / kSecond, *last_ns % kSecond}};
  if (done && (::futimens(file->fd(), times) != 0 || ::fdatasync(file->fd()) != 0 ||
               std::rename(part.c_str(), path.c_str()) != 0))
    done = fail_errno("put in place " + path);
  if (done) {
    ++written_;
  } else {
    ::unlink(part.c_str());
  }
  return done;
}

// The sessions' own log goes before.
Status TaggedLogs::check_room(const archive::SessionSummary& row) const {
  const archive::DiskRoom room = archive::disk_room(folder_);
  if (room.total == 0) return fail_errno("look at the disk of " + folder_);
  const uint64_t left = archive::room_for_the_log(room);
  const uint64_t bytes = row.bytes_in + row.bytes_out;
  if (room.free < left + bytes + bytes / 4)
    return fail("the disk has {} bytes left, and {} are for the archive", room.free, left);
  return {};
}

void TaggedLogs::failed(SessionId id, const Error& why) {
  ++failed_;
  failing_ = true;
  log::error("tagged: the log of session {} is not written: {}; it is tried again", to_string(id), why.message);
}

}  // namespace skep::view
