// What was learned of one service: the kernel's first-seen records gathered, and made into the profile that people
// read. Pure; one thread.
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/bytes.h"
#include "formats/profile_file.h"
#include "model/kernel_event.h"

namespace skep::judge {

// The path of which the kernel told the parts, the last first, each with its NUL: "/var/www/index.html".
std::string path_of_parts(std::string_view parts);

class Learned {
 public:
  // More than so many files of one folder, or folders of one, stand for the whole of it.
  static constexpr size_t kFilesApart = 16;

  explicit Learned(int64_t from_ns = 0) : from_ns_(from_ns) {}
  void take(const skep_first_seen_record& record);
  void session() { ++sessions_; }
  // A part of what was told did not come here: what is missing will be first seen later.
  void incomplete(uint64_t records) { lost_ += records; }

  formats::ServiceProfile profile(const std::string& service, int64_t to_ns) const;
  uint64_t sessions() const { return sessions_; }

 private:
  void take_path(uint32_t kind, const std::string& path);
  template <typename T>
  void add(std::set<T>& to, const T& item);

  int64_t from_ns_;
  uint64_t sessions_ = 0;
  uint64_t lost_ = 0;
  uint64_t unnamed_ = 0;  // files whose path the kernel could not tell, or that no text can hold
  uint64_t beyond_ = 0;   // more than a profile may hold
  size_t size_ = 0;
  std::set<std::string> programs_;
  std::set<std::string> files_read_;
  std::set<std::string> folders_read_;
  std::set<std::string> folders_written_;
  std::set<std::string> trees_written_;
  std::set<std::string> calls_;
  std::set<uint16_t> ports_;
  std::set<Endpoint> peers_;
};

}  // namespace skep::judge
