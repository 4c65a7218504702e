// The flows that the kernel told of: open ones, by serial, and who serves them. Pure; bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "model/kernel_event.h"

namespace skep::judge {

class Flows {
 public:
  static constexpr size_t kOpenMax = 65536;

  // Each returns whether it is news.
  bool opened(const skep_flow& flow);
  bool served(const skep_flow& flow, uint32_t pid);
  bool closed(uint64_t serial);

  struct Open {
    skep_flow flow;
    uint32_t pid = 0;  // who serves it; 0: nobody yet
  };
  // In the order in which they were opened.
  const std::map<uint64_t, Open>& all() const { return open_; }
  // Open flows that this process serves.
  std::vector<uint64_t> served_by(uint32_t pid) const;
  uint64_t refused() const { return refused_; }

 private:
  std::map<uint64_t, Open> open_;
  uint64_t refused_ = 0;
};

}  // namespace skep::judge
