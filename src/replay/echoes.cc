// The plan from one recording.
#include "replay/checksums.h"
#include "replay/crypto_marks.h"
#include "replay/draft.h"
#include "replay/echo_search.h"
#include "replay/ends.h"
#include "replay/lengths.h"
#include "replay/number_echoes.h"

namespace skep::replay {

Plan plan_echoes(const Recording& recording) {
  if (recording.payload_bytes() > kPlannedBytesMax) {
    Plan plan = plan_as_recorded(recording);
    plan.gave_up_looking = true;
    plan.why = "the recording is too large to look for echoes in it";
    return plan;
  }
  Draft draft(recording);
  claim_addresses(draft);
  EchoSearch(draft).run();
  claim_number_echoes(draft);
  claim_clock(draft);
  claim_lengths(draft);
  claim_checksums(draft);
  claim_digests(draft);
  name_ports(draft);
  Plan plan = draft.take(Rung::echoes);
  plan.crypto = recognised_crypto(recording);
  return plan;
}

}  // namespace skep::replay
