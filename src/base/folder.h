// A temporary folder; removed with all that is in it unless it is to be kept.
#pragma once

#include <string>

#include "base/result.h"

namespace skep {

class Folder {
 public:
  static Result<Folder> make(const std::string& keep_as = "");
  // Where nobody but root writes: for programs, which are refused for that alone where everybody may write.
  static Result<Folder> make_for_programs();
  Folder(Folder&& other) noexcept;
  Folder& operator=(Folder&& other) noexcept;
  ~Folder();
  const std::string& path() const { return path_; }

 private:
  static Result<Folder> make_temporary(std::string name);
  Folder(std::string path, bool keep) : path_(std::move(path)), keep_(keep) {}
  std::string path_;
  bool keep_;
};

}  // namespace skep
