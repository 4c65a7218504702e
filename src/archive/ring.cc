#include "archive/ring.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstring>

namespace skep::archive {
namespace {

constexpr char kNamesInMemory[] = "/dev/shm/skep-";  // what alone is removed behind a link
constexpr long kTmpfs = 0x01021994;                  // TMPFS_MAGIC of linux/magic.h

// "ring", "ring.1" …
bool is_ring(std::string_view name) {
  if (!name.starts_with("ring")) return false;
  name.remove_prefix(4);
  if (name.empty()) return true;
  unsigned writer = 0;
  std::from_chars(name.data() + 1, name.data() + name.size(), writer);
  return writer > 0 && fmt::format(".{}", writer) == name;
}

// Where the link leads to; the path itself where it is no link.
std::string target_of(const std::string& link) {
  char target[PATH_MAX];
  const ssize_t length = ::readlink(link.c_str(), target, sizeof target);
  return length > 0 ? std::string(target, static_cast<size_t>(length)) : link;
}

// With all its room taken at once: a page that the file system cannot give later would end the process.
Result<Fd> make_file(const std::string& path, uint64_t bytes) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return fail_errno("make the ring " + path);
  if (const int error = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes)); error != 0) {
    ::unlink(path.c_str());
    return tl::unexpected<Error>(Error{fmt::format("make the ring {}: {}", path, std::strerror(error)), error});
  }
  return fd;
}

bool is_tmpfs(const std::string& path) {
  struct statfs about {};
  return ::statfs(path.c_str(), &about) == 0 && about.f_type == kTmpfs;
}

struct Made {
  Fd fd;
  std::string path;
};
Result<Made> make_in_memory(const std::string& memory, const std::string& link, uint64_t bytes) {
  if (!is_tmpfs(memory)) return fail("{} is no tmpfs", memory);
  uint64_t name = 0;
  if (::getrandom(&name, sizeof name, 0) != ssize_t{sizeof name}) return fail_errno("getrandom");
  const std::string path = fmt::format("{}/skep-{:016x}.ring", memory, name);
  auto fd = make_file(path, bytes);
  if (!fd) return tl::unexpected<Error>(fd.error());
  if (::symlink(path.c_str(), link.c_str()) == 0) return Made{std::move(*fd), path};
  auto error = fail_errno("link " + link);
  ::unlink(path.c_str());
  return error;
}

}  // namespace

std::string ring_path(const std::string& folder, unsigned writer) {
  return writer == 0 ? folder + "/ring" : fmt::format("{}/ring.{}", folder, writer);
}

bool is_ring_name(std::string_view name) {
  if (name.ends_with(kUnreadableEnding)) name.remove_suffix(std::size(kUnreadableEnding) - 1);
  return is_ring(name);
}

std::vector<std::string> list_rings(const std::string& folder) {
  std::vector<std::string> paths;
  DIR* stream = ::opendir(folder.c_str());
  if (stream == nullptr) return paths;
  while (const dirent* entry = ::readdir(stream)) {
    if (is_ring(entry->d_name)) paths.push_back(folder + "/" + entry->d_name);
  }
  ::closedir(stream);
  return paths;
}

bool has_ring(const std::string& folder) {
  const auto rings = list_rings(folder);
  return std::any_of(rings.begin(), rings.end(), [](const auto& path) { return ::access(path.c_str(), F_OK) == 0; });
}

Result<std::unique_ptr<Ring>> Ring::make(const std::string& link, uint64_t bytes, const std::string& memory) {
  bytes = (bytes + formats::kRingBlockBytes - 1) / formats::kRingBlockBytes * formats::kRingBlockBytes;
  const uint64_t file_bytes = formats::kRingHeaderBytes + bytes;
  auto made = make_in_memory(memory, link, file_bytes);
  if (!made) {
    auto fd = make_file(link, file_bytes);
    if (!fd) return tl::unexpected<Error>(fd.error());
    made = Made{std::move(*fd), link};
  }
  std::unique_ptr<Ring> ring(new Ring(link, made->path));
  if (auto mapped = ring->map(made->fd.get(), bytes); !mapped) {
    ring->remove();
    return tl::unexpected<Error>(mapped.error());
  }
  formats::begin_ring(*ring->header_, bytes);
  return ring;
}

// Header and bytes, and the bytes once more behind them.
Status Ring::map(int fd, uint64_t bytes) {
  const size_t total = formats::kRingHeaderBytes + 2 * bytes;
  void* place = ::mmap(nullptr, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) return fail_errno("map the ring");
  mapped_bytes_ = total;
  auto* const start = static_cast<uint8_t*>(place);
  header_ = reinterpret_cast<formats::RingHeader*>(start);
  data_ = start + formats::kRingHeaderBytes;
  constexpr int kShared = MAP_SHARED | MAP_FIXED | MAP_POPULATE;
  const size_t first = formats::kRingHeaderBytes + bytes;
  if (::mmap(start, first, PROT_READ | PROT_WRITE, kShared, fd, 0) == MAP_FAILED ||
      ::mmap(start + first, bytes, PROT_READ | PROT_WRITE, kShared, fd, formats::kRingHeaderBytes) == MAP_FAILED)
    return fail_errno("map the ring");
  return {};
}

Ring::~Ring() {
  if (mapped_bytes_ > 0) ::munmap(header_, mapped_bytes_);
}

void Ring::remove() {
  ::unlink(link_.c_str());
  if (path_ != link_) ::unlink(path_.c_str());
}

// The block in which what is stored ends is written once more with what follows it: it stays.
uint64_t Ring::free_bytes() const {
  const uint64_t kept = stored() / formats::kRingBlockBytes * formats::kRingBlockBytes;
  return header_->data_bytes - (head() - kept);
}

bool Ring::can_begin_segment() const {
  if (header_->segments_begun < formats::kRingSegmentsMax) return true;
  const formats::RingSegment& oldest = header_->segments[header_->segments_begun % formats::kRingSegmentsMax];
  return oldest.end != 0 && oldest.end <= stored();
}

void Ring::begin_segment(uint32_t number, uint64_t start) {
  end_segment();
  const uint64_t n = header_->segments_begun;
  header_->segments[n % formats::kRingSegmentsMax] = {number, 0, start, 0};
  // A kill between these lines leaves a segment that begins behind the head: there is nothing of it yet.
  std::atomic_ref(header_->segments_begun).store(n + 1);
}

void Ring::end_segment() {
  const uint64_t n = header_->segments_begun;
  if (n > 0) header_->segments[(n - 1) % formats::kRingSegmentsMax].end = head();
}

Result<std::optional<Bytes>> read_ring(const std::string& link) {
  const Fd fd(::open(link.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::optional<Bytes>();
  if (!fd) return fail_errno("open the ring " + target_of(link));
  struct stat about {};
  if (::fstat(fd.get(), &about) != 0) return fail_errno("read the ring");
  if (!S_ISREG(about.st_mode) ||
      static_cast<uint64_t>(about.st_size) > formats::kRingHeaderBytes + formats::kRingBytesMax)
    return fail("{} is no ring", target_of(link));
  Bytes bytes(static_cast<size_t>(about.st_size));
  size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::read(fd.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail_errno("read the ring");
    filled += static_cast<size_t>(got);
  }
  return std::optional<Bytes>(std::move(bytes));
}

std::vector<std::string> rings_in_memory(const std::string& folder) {
  std::vector<std::string> targets;
  for (const std::string& path : list_rings(folder)) {
    std::string target = target_of(path);
    if (target.starts_with(kNamesInMemory)) targets.push_back(std::move(target));
  }
  return targets;
}

Status remove_ring(const std::string& link) {
  const std::string target = target_of(link);
  if (::unlink(link.c_str()) != 0 && errno != ENOENT) return fail_errno("remove " + link);
  if (target.starts_with(kNamesInMemory)) ::unlink(target.c_str());
  return {};
}

}  // namespace skep::archive
