// How often lines of one kind may be written, where a stranger decides how often their cause comes about. Pure: the
// time is passed in. One thread, or a lock around it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace skep::log {

class LogLimit {
 public:
  static constexpr int64_t kWindowNs = 10'000'000'000;
  static constexpr size_t kKindsMax = 64;  // kinds are literals of the program; what is beyond shares one count

  struct LeftOut {
    std::string kind;
    uint64_t lines = 0;
    bool operator==(const LeftOut&) const = default;
  };

  // Whether this line may be written. The first of a kind begins a window, in which `lines_max` may.
  bool admit(std::string_view kind, unsigned lines_max, int64_t now_ns);
  // Of windows that are over: what was left out of them.
  std::vector<LeftOut> take_due(int64_t now_ns);

 private:
  struct Window {
    int64_t since_ns = 0;
    uint64_t lines = 0;
    uint64_t left_out = 0;
  };
  std::map<std::string, Window, std::less<>> windows_;
};

}  // namespace skep::log
