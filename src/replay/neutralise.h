// The negative control: the same dialogue with the bytes that the attack needs made harmless. It is as long, and of the
// same shape, so that what it does differently comes of those bytes. Pure; any thread.
#pragma once

#include <span>
#include <string_view>

#include "replay/plan.h"

namespace skep::replay {

// How much is made harmless; tried one after the other until the bait raises no alert.
enum class Harmless : uint8_t {
  needed,           // the bytes that minimising found to be needed
  trigger_letters,  // letters, and what is no text, of the message that set it off
  trigger,          // … and its signs too; the ends of its lines and the names of its fields stay
  letters,          // the same of all messages up to it
  all,
  without,  // the message that set it off is not sent at all
};
constexpr Harmless kHarmless[] = {Harmless::needed, Harmless::trigger_letters, Harmless::trigger, Harmless::letters,
                                  Harmless::all,    Harmless::without};
std::string_view to_string(Harmless how);  // "needed-bytes" …

// Bytes stay where the plan has fields. Nullopt: there is nothing that it would change.
std::optional<Recording> neutralised(const Recording& recording, const Plan& plan, Harmless how,
                                     std::span<const Place> needed);

}  // namespace skep::replay
