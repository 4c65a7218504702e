// A session's own log as a pcapng: docs/formats/pcapng.md. In one way over its records (two, where it has alerts, so
// that their evidence stands beside them); memory is bounded by one record, the alerts and the evidence.
#pragma once

#include "archive/reader.h"
#include "formats/pcapng.h"

namespace skep::view {

// Error: the archive could not be read. Where the sink refuses it ends early, and its owner knows why.
Status write_pcapng(archive::Reader& reader, const archive::SessionSummary& session, const formats::Sink& sink);

}  // namespace skep::view
