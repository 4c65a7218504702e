// OneWriter: an archive with one writer, which it stands for: for tests, and for programs that make an archive by
// themselves. One thread.
#pragma once

#include <memory>
#include <string>

#include "archive/archive.h"

namespace skep::archive {

class OneWriter {
 public:
  OneWriter() = default;
  static Result<OneWriter> open(const std::string& folder, const ArchiveOptions& options) {
    auto opened = Archive::open(folder, options);
    if (!opened) return tl::unexpected<Error>(opened.error());
    OneWriter writer;
    writer.archive_ = std::move(*opened);
    return writer;
  }
  Archive& archive() { return *archive_; }
  Writer& operator*() { return archive_->writer(0); }
  Writer* operator->() { return &archive_->writer(0); }
  void reset() { archive_.reset(); }

 private:
  std::unique_ptr<Archive> archive_;
};

}  // namespace skep::archive
