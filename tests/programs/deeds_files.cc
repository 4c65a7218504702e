// Files that the service writes and that then become programs; each deed writes marker_unlisted, which lies in the
// folder of the request as `b`, to a name of its own and starts it.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "deeds.h"

namespace {

using skep::Fd;

int start(const std::string& folder, const std::string& path) {
  return in_child([&] {
    const std::string listed = folder + "/ran_a";
    const std::string unlisted = folder + "/ran_b";
    ::execl(path.c_str(), "dropped", listed.c_str(), unlisted.c_str(), nullptr);
    return errno;
  });
}

Fd source(const std::string& folder, off_t& bytes) {
  Fd fd(::open((folder + "/b").c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  ::fstat(fd.get(), &info);
  bytes = info.st_size;
  return fd;
}

int fill(const Fd& to, const std::string& folder) {
  off_t bytes = 0;
  const Fd from = source(folder, bytes);
  off_t at = 0;
  return ::sendfile(to.get(), from.get(), &at, static_cast<size_t>(bytes)) == bytes ? 0 : EIO;
}

Fd fresh(const std::string& path) {
  return Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0755));
}

int written(const std::string& folder) {
  const std::string path = folder + "/written";
  if (const int error = fill(fresh(path), folder); error != 0) return error;
  return start(folder, path);
}

// Never a name while it is written.
int linked_from_nowhere(const std::string& folder) {
  const std::string path = folder + "/linked";
  Fd fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0755));
  if (!fd) return errno;
  if (const int error = fill(fd, folder); error != 0) return error;
  const std::string itself = "/proc/self/fd/" + std::to_string(fd.get());
  if (::linkat(AT_FDCWD, itself.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0) return errno;
  fd.reset();
  return start(folder, path);
}

// In the place of a program that the service may run.
int renamed_into_place(const std::string& folder) {
  const std::string path = folder + "/renamed";
  if (const int error = fill(fresh(path), folder); error != 0) return error;
  if (::rename(path.c_str(), (folder + "/a").c_str()) != 0) return errno;
  return start(folder, folder + "/a");
}

// Into the very file that the service may run.
int written_over(const std::string& folder) {
  const std::string path = folder + "/a";
  {
    const Fd fd(::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
    if (!fd) return errno;
    if (const int error = fill(fd, folder); error != 0) return error;
  }
  return start(folder, path);
}

int copied_by_range(const std::string& folder) {
  const std::string path = folder + "/ranged";
  off_t bytes = 0;
  const Fd from = source(folder, bytes);
  Fd to = fresh(path);
  if (::copy_file_range(from.get(), nullptr, to.get(), nullptr, static_cast<size_t>(bytes), 0) != bytes) return errno;
  to.reset();
  return start(folder, path);
}

int mapped(const std::string& folder) {
  const std::string path = folder + "/mapped";
  off_t bytes = 0;
  const Fd from = source(folder, bytes);
  Fd to = fresh(path);
  if (::ftruncate(to.get(), bytes) != 0) return errno;
  const auto size = static_cast<size_t>(bytes);
  void* target = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, to.get(), 0);
  const void* origin = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, from.get(), 0);
  if (target == MAP_FAILED || origin == MAP_FAILED) return errno;
  std::memcpy(target, origin, size);
  ::munmap(target, size);
  to.reset();
  return start(folder, path);
}

// Opened, then removed: it has no name any more when it starts.
int removed(const std::string& folder) {
  const std::string path = folder + "/removed";
  if (const int error = fill(fresh(path), folder); error != 0) return error;
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ::unlink(path.c_str());
  return start(folder, "/proc/self/fd/" + std::to_string(fd.get()));
}

}  // namespace

const Deeds& file_deeds() {
  static const Deeds kDeeds = {
      {"written", written},
      {"linked_from_nowhere", linked_from_nowhere},
      {"renamed", renamed_into_place},
      {"written_over", written_over},
      {"ranged", copied_by_range},
      {"mapped", mapped},
      {"removed", removed},
  };
  return kDeeds;
}
