// Which sessions are meant, as an operator says it: --class, --since, --until.
#pragma once

#include "archive/index.h"
#include "cli/moment.h"
#include "cli/session_class.h"

namespace skep::cli {

// Empty words choose nothing.
inline Status choose(archive::Filter& filter, const std::string& session_class, const std::string& since,
                     const std::string& until) {
  if (!session_class.empty()) {
    const auto wanted = class_named(session_class);
    if (!wanted) return tl::unexpected<Error>(wanted.error());
    filter.session_class = *wanted;
  }
  for (const auto& [text, to] : {std::pair(&since, &filter.since_ns), std::pair(&until, &filter.until_ns)}) {
    if (text->empty()) continue;
    const auto at = moment(*text);
    if (!at) return fail("{}", no_moment(*text));
    *to = *at;
  }
  return {};
}

}  // namespace skep::cli
