#include "archive/evidence_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "archive/disk_room.h"
#include "base/file.h"

namespace skep::archive {
namespace {

constexpr int64_t kDayNs = 86'400'000'000'000;
constexpr char kPartPrefix[] = "part-";

}  // namespace

std::string evidence_path(const std::string& folder, const std::string& sha256) {
  return fmt::format("{}/evidence/{}/{}", folder, sha256.substr(0, 2), sha256);
}

Status EvidenceStore::begin() {
  for (unsigned byte = 0; byte < 256; ++byte) {
    if (auto made = make_directories(fmt::format("{}/evidence/{:02x}", folder_, byte), 0750); !made) return made;
  }
  return remove_parts();
}

Status EvidenceStore::remove_parts() const {
  const std::string path = folder_ + "/evidence";
  DIR* stream = ::opendir(path.c_str());
  if (stream == nullptr) return fail_errno("open " + path);
  while (const dirent* entry = ::readdir(stream)) {
    const std::string name = entry->d_name;
    if (name.starts_with(kPartPrefix)) ::unlink((path + "/" + name).c_str());
  }
  ::closedir(stream);
  return {};
}

bool EvidenceStore::has(const std::string& sha256) const {
  struct stat info {};
  return ::lstat(evidence_path(folder_, sha256).c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

Status EvidenceStore::check_room(uint64_t bytes) const {
  const DiskRoom room = disk_room(folder_ + "/evidence");
  if (room.total == 0) return fail_errno("look at the archive's disk");
  const uint64_t left = room_for_the_log(room);
  if (room.free >= bytes + left) return {};
  return fail("the archive's disk is too full: {} bytes are kept free for the sessions' own log", left);
}

Result<std::unique_ptr<EvidenceStore::Incoming>> EvidenceStore::receive(const std::string& sha256, uint64_t bytes,
                                                                        int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  if (now_ns / kDayNs != day_) {
    day_ = now_ns / kDayNs;
    day_bytes_ = 0;
  }
  if (day_bytes_ + bytes > kEvidenceBytesADay)
    return fail("the day's {} bytes of copied files are used up", kEvidenceBytesADay);
  if (auto room = check_room(bytes); !room) return tl::unexpected<Error>(room.error());
  const std::string part = fmt::format("{}/evidence/{}{}", folder_, kPartPrefix, ++parts_);
  Fd file(::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return fail_errno("begin a copy in the archive");
  day_bytes_ += bytes;
  return std::make_unique<Incoming>(*this, part, sha256, std::move(file));
}

EvidenceStore::Incoming::~Incoming() {
  if (file_) ::unlink(part_.c_str());
}

Status EvidenceStore::Incoming::append(ByteView bytes) {
  hash_.add(bytes);
  bytes_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t put = ::write(file_.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno("the archive's disk");
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
  return {};
}

Status EvidenceStore::Incoming::finish() {
  if (hex(hash_.finish()) != sha256_) return fail("what came is not what its sha256 says");
  if (::fchmod(file_.get(), 0400) != 0) return fail_errno("the archive's disk");
  // A link is refused where the name is taken: nothing is ever overwritten. The part goes in the destructor.
  if (::link(part_.c_str(), evidence_path(store_.folder_, sha256_).c_str()) != 0 && errno != EEXIST)
    return fail_errno("the archive's disk");
  ++store_.stored_;
  return {};
}

}  // namespace skep::archive
