// A triage class as an operator writes it.
#pragma once

#include "base/result.h"
#include "base/text.h"
#include "model/session.h"

namespace skep::cli {

inline Result<SessionClass> class_named(const std::string& text) {
  const auto found = parse_session_class(text);
  if (!found) return fail("--class: '{}' is none of known, harmless, suspect, attack", printable(text));
  return *found;
}

}  // namespace skep::cli
