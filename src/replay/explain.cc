// A plan for a person.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "replay/plan.h"

namespace skep::replay {

namespace {

constexpr size_t kShownBytes = 40;  // of a recorded value

std::string shown(const Recording& recording, const Place& place) {
  const ByteView bytes = ByteView(recording.messages[place.message].bytes).subspan(place.offset, place.bytes);
  const std::string_view text = as_text(bytes.first(std::min(bytes.size(), kShownBytes)));
  return printable(text) + (bytes.size() > kShownBytes ? "…" : "");
}

}  // namespace

std::string explain(const Recording& recording, const Plan& plan) {
  std::string out = fmt::format("{}: {} fields\n", to_string(plan.rung), plan.fields.size());
  if (!plan.crypto.empty()) out += fmt::format("cannot be held again by sending bytes: {}\n", plan.crypto);
  if (plan.gave_up_looking) out += fmt::format("not all of it was looked at: {}\n", plan.why);
  for (const Field& field : plan.fields) {
    out += fmt::format("message {} byte {}: {} '{}'", field.place.message, field.place.offset, kind_of(field),
                       shown(recording, field.place));
    out += field.why.empty() ? "\n" : fmt::format(": {}\n", field.why);
  }
  for (const NamedPort& named : plan.named_ports) {
    out += fmt::format("connection {} goes to the port '{}' of message {}\n", named.connection,
                       shown(recording, named.port.source), named.port.source.message);
  }
  return out;
}

}  // namespace skep::replay
