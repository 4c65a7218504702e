// A session given out: as pcapng that tshark reads, as raw bytes, as text, as bistream. Streamed: memory is one
// record's.
#pragma once

#include <string>

#include "archive/reader.h"

namespace skep::cli {

// `file` "-" is stdout.
Status export_pcapng(archive::Reader& reader, const archive::SessionSummary& session, const std::string& file);
// ID.in and ID.out in `folder`, and in ID.files the stored copies.
Status export_raw(archive::Reader& reader, const archive::SessionSummary& session, const std::string& folder);
Status export_text(archive::Reader& reader, const archive::SessionSummary& session, const std::string& file);

// What either side sent, without times, for tools that read what Dionaea records.
Status export_bistream(archive::Reader& reader, const archive::SessionSummary& session, const std::string& file);

}  // namespace skep::cli
