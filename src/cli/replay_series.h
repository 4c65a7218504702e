// Recordings × targets: each replayed to each, with a report that is gone on with where it was left.
#pragma once

#include "cli/replay_ground.h"
#include "cli/replay_options.h"

namespace skep::cli {

// The exit code. `targets` empty: each recording's own bait.
int replay_series(ReplayGround& ground, const ReplayOptions& options, const std::vector<Subject>& subjects,
                  const std::vector<Endpoint>& targets);

// The smallest attack of each, with the bait's alert as the oracle; kept beside the archive.
int replay_minimised(ReplayGround& ground, const ReplayOptions& options, const std::vector<Subject>& subjects);

// Each once more through the proxy, as an attacker would: does the filter of today stop it?
int replay_through_filter(ReplayGround& ground, const ReplayOptions& options, const std::vector<Subject>& subjects);

}  // namespace skep::cli
