#include "view/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace skep::view {
namespace {

constexpr size_t kGatheredMax = 256 << 10;

}  // namespace

Result<OutputFile> OutputFile::open(const std::string& path) {
  OutputFile file;
  file.path_ = path;
  file.fd_.reset(path == "-" ? ::dup(STDOUT_FILENO)
                             : ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
  if (!file.fd_) return fail_errno("write " + path);
  return file;
}

bool OutputFile::put(ByteView bytes) {
  gathered_.insert(gathered_.end(), bytes.begin(), bytes.end());
  return gathered_.size() < kGatheredMax ? error_ == 0 : flush();
}

bool OutputFile::flush() {
  ByteView left = gathered_;
  while (!left.empty() && error_ == 0) {
    const ssize_t written = ::write(fd_.get(), left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) error_ = errno;
    if (written > 0) left = left.subspan(static_cast<size_t>(written));
  }
  gathered_.clear();
  return error_ == 0;
}

Status OutputFile::finish() {
  if (flush()) return {};
  errno = error_;
  return fail_errno("write " + path_);
}

}  // namespace skep::view
