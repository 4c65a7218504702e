// States in which the proxy is not whole: named in `degraded` of `skep status --json`, and each begins and ends with a
// line in the log. Pure; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace skep::proxy {

class Degraded {
 public:
  // A state that comes and goes faster than this is one for the log.
  static constexpr int64_t kCalmNs = 1'000'000'000;

  struct Change {
    std::string state;
    bool begins = false;
    int64_t lasted_ns = 0;  // where it ends
    bool operator==(const Change&) const = default;
  };
  // What holds now; what is to be said of it.
  std::vector<Change> update(const std::vector<std::string_view>& states, int64_t now_ns);

 private:
  struct Span {
    int64_t since_ns = 0;
    int64_t seen_ns = 0;
  };
  std::map<std::string, Span, std::less<>> said_;
};

}  // namespace skep::proxy
