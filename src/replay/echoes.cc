#include "replay/plan.h"

namespace skep::replay {

Plan plan_echoes(const Recording& recording) {
  return plan_as_recorded(recording);
}

Result<Plan> plan_two_recordings(const Recording&, const Recording&) {
  return fail("plans from two recordings are not made yet");
}

}  // namespace skep::replay
