// A file that grows, or stdout, with what is written gathered into larger calls. The first error stays. One thread.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"

namespace skep::view {

class OutputFile {
 public:
  // "-" is stdout.
  static Result<OutputFile> open(const std::string& path);

  // False: it takes nothing more; `finish` says why.
  bool put(ByteView bytes);
  bool flush();
  // What is gathered is written. Error: not all of it could be.
  Status finish();
  int fd() const { return fd_.get(); }

 private:
  std::string path_;
  Fd fd_;
  Bytes gathered_;
  int error_ = 0;
};

}  // namespace skep::view
