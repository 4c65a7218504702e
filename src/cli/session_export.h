// A session given out: as pcapng that tshark reads, as raw bytes, as text. Streamed: memory is one record's.
#pragma once

#include <string>

#include "archive/reader.h"

namespace skep::cli {

// `file` "-" is stdout.
Status export_pcapng(archive::Reader& reader, const archive::SessionSummary& session, const std::string& file);
// ID.in and ID.out in `folder`, and in ID.files the stored copies.
Status export_raw(archive::Reader& reader, const archive::SessionSummary& session, const std::string& folder);
Status export_text(archive::Reader& reader, const archive::SessionSummary& session, const std::string& file);

}  // namespace skep::cli
