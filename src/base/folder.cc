#include "base/folder.h"

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "base/file.h"

namespace skep {

Result<Folder> Folder::make(const std::string& keep_as) {
  if (!keep_as.empty()) {
    if (auto made = make_directories(keep_as); !made) return tl::unexpected<Error>(made.error());
    return Folder(keep_as, true);
  }
  return make_temporary("/tmp/skep-XXXXXX");
}

Result<Folder> Folder::make_for_programs() {
  return make_temporary("/var/lib/skep-XXXXXX");
}

Result<Folder> Folder::make_temporary(std::string name) {
  if (::mkdtemp(name.data()) == nullptr) return fail_errno("make a temporary folder as " + name);
  std::filesystem::permissions(name, std::filesystem::perms(0755));
  return Folder(std::move(name), false);
}

Folder::Folder(Folder&& other) noexcept : path_(std::exchange(other.path_, {})), keep_(other.keep_) {}

Folder& Folder::operator=(Folder&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(keep_, other.keep_);
  return *this;
}

Folder::~Folder() {
  std::error_code ignored;
  if (!keep_ && !path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace skep
