// The plan from one recording.
#include "replay/draft.h"
#include "replay/echo_search.h"

namespace skep::replay {

Plan plan_echoes(const Recording& recording) {
  if (recording.payload_bytes() > kPlannedBytesMax) {
    Plan plan = plan_as_recorded(recording);
    plan.gave_up_looking = true;
    plan.why = "the recording is too large to look for echoes in it";
    return plan;
  }
  Draft draft(recording);
  EchoSearch(draft).run();
  return draft.take(Rung::echoes);
}

Result<Plan> plan_two_recordings(const Recording&, const Recording&) {
  return fail("plans from two recordings are not made yet");
}

}  // namespace skep::replay
