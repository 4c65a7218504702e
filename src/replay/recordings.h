// Recordings, read from where they lie. Memory is bounded, whatever lies there: what is longer is read as far as the
// bound and says so (Recording::cut_short). One thread a call.
#pragma once

#include "archive/reader.h"
#include "replay/recording.h"

namespace skep::replay {

constexpr size_t kRecordedBytesMax = size_t{64} << 20;  // of payload, of one recording
constexpr size_t kRecordedPiecesMax = size_t{1} << 20;  // reads and datagrams likewise
constexpr size_t kLinkedSessionsMax = 1000;             // further connections likewise

// A session of the archive with those that belong to it (FTP's data connections) as further connections.
Result<Recording> recording_of(archive::Reader& reader, const archive::SessionSummary& session);

}  // namespace skep::replay
