#include "archive/disk_room.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>

namespace skep::archive {
namespace {

constexpr uint64_t kLeftBytes = uint64_t{256} << 20;
constexpr uint64_t kLeftPart = 16;
constexpr uint64_t kStatBlock = 512;  // as st_blocks counts

}  // namespace

DiskRoom disk_room(const std::string& folder) {
  struct statvfs about {};
  if (::statvfs(folder.c_str(), &about) != 0) return {};
  return {uint64_t{about.f_bavail} * about.f_frsize, uint64_t{about.f_blocks} * about.f_frsize};
}

uint64_t room_for_the_log(const DiskRoom& room) {
  return std::min(kLeftBytes, room.total / kLeftPart);
}

uint64_t bytes_on_disk(const std::string& path) {
  struct stat about {};
  return ::stat(path.c_str(), &about) == 0 ? static_cast<uint64_t>(about.st_blocks) * kStatBlock : 0;
}

}  // namespace skep::archive
