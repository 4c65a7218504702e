// The journal: what must reach the proxy, in memory that watch made and holds open, so that it outlives a judge that is
// killed. Frames as on the wire, one after the other, a length of 0 behind the last. A former judge's words are read
// like a stranger's: the first that is no frame ends them. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "wire/control.pb.h"

namespace skep::judge {

class Journal {
 public:
  static constexpr size_t kBytesMax = 16 << 20;

  explicit Journal(Fd memory) : memory_(std::move(memory)) {}

  // What a former judge has left; the journal is empty then.
  std::vector<wire::Frame> recall();
  // False where it is full.
  bool add(const wire::Frame& frame);
  void clear();
  size_t frames() const { return frames_; }

 private:
  Fd memory_;
  size_t bytes_ = 0;
  size_t frames_ = 0;
};

}  // namespace skep::judge
