// Where in an answer the value stands that stood at a known place of the recorded one: by what stands around it. Pure.
#pragma once

#include <optional>
#include <utility>

#include "base/bytes.h"
#include "replay/plan.h"

namespace skep::replay {

// First and last plus one. `recorded` is the recorded server's message of `echo`'s source, `answer` what came this
// time. nullopt: its surroundings are not there, or its end has not come yet.
std::optional<std::pair<size_t, size_t>> locate(ByteView recorded, const Echo& echo, ByteView answer);
// Takes the context of echo.source from `recorded`, and how its size is known.
void take_context(ByteView recorded, Echo& echo);
// The form in which `size` stands as a number right before `begin`.
std::optional<Form> counter_before(ByteView bytes, size_t begin, size_t size);

}  // namespace skep::replay
