// What becomes of a running proxy's options when their file is read again. Pure: from the options in force and the new
// ones to what is to be done; `proxy_reload.cc` does it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/options.h"

namespace skep::proxy {

// Keys of proxy.yaml that may change while the proxy runs; what they say holds for sessions that begin from then on.
// Every other key is refused, one that is new in a later version too.
bool may_change(std::string_view key);

struct OptionsChange {
  std::vector<std::string> keys;   // whose values differ, and may
  std::vector<std::string> fixed;  // whose values differ, and may not: nothing is changed then
  // Of each of the new options' services: whether one of the same name stands as it was.
  std::vector<bool> service_kept;
};
OptionsChange compare(const formats::ProxyOptions& now, const formats::ProxyOptions& next);

// For a person: which keys want a restart.
std::string refusal_of(const std::vector<std::string>& fixed);

}  // namespace skep::proxy
