// The flows that the kernel told of: open ones, by serial, who serves them, and the last ones that a process has
// served. Pure; bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "model/kernel_event.h"

namespace skep::judge {

class Flows {
 public:
  static constexpr size_t kOpenMax = 65536;
  static constexpr size_t kPastMax = 8;  // of one process
  static constexpr size_t kPastProcessesMax = 4096;

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
  // Open flows of this service that anybody serves.
  std::vector<uint64_t> of_service(uint32_t service) const;
  // The last ones that it served and that have closed, the latest last; also when the process itself has ended.
  std::vector<uint64_t> formerly_served_by(uint32_t pid) const;
  // Open, or remembered.
  std::optional<skep_flow> find(uint64_t serial) const;
  uint64_t refused() const { return refused_; }

 private:
  void remember(uint32_t pid, const skep_flow& flow);

  std::map<uint64_t, Open> open_;
  std::unordered_map<uint32_t, std::deque<skep_flow>> past_;
  std::deque<uint32_t> past_order_;
  uint64_t refused_ = 0;
};

}  // namespace skep::judge
