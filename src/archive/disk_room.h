// How much room a disk has, and how much of it copies and tagged logs leave to the sessions' own log.
#pragma once

#include <cstdint>
#include <string>

namespace skep::archive {

struct DiskRoom {
  uint64_t free = 0;  // bytes; so is `total`
  uint64_t total = 0;
};
// Of the file system on which the folder lies; all zero, and errno: it cannot be asked.
DiskRoom disk_room(const std::string& folder);
// What must stay free of a copy: 256 MiB, or of a small disk a sixteenth.
uint64_t room_for_the_log(const DiskRoom& room);
// What a file takes; 0: there is none.
uint64_t bytes_on_disk(const std::string& path);

}  // namespace skep::archive
