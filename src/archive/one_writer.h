// OneWriter: an archive with one writer, which it stands for: for tests, and for programs that make an archive by
// themselves. One thread.
#pragma once

#include <memory>
#include <string>

#include "archive/archive.h"
#include "base/folder.h"

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
  // In a folder of its own, which goes with it.
  static Result<OneWriter> scratch(const ArchiveOptions& options = {}) {
    auto folder = Folder::make();
    if (!folder) return tl::unexpected<Error>(folder.error());
    auto writer = open(folder->path(), options);
    if (writer) writer->scratch_ = std::make_unique<Folder>(std::move(*folder));
    return writer;
  }
  const std::string& scratch_folder() const { return scratch_->path(); }
  Archive& archive() { return *archive_; }
  Writer& operator*() { return archive_->writer(0); }
  Writer* operator->() { return &archive_->writer(0); }
  void reset() { archive_.reset(); }

 private:
  std::unique_ptr<Folder> scratch_;  // outlives what writes there
  std::unique_ptr<Archive> archive_;
};

}  // namespace skep::archive
