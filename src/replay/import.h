// Recordings become sessions of an archive: as if skep-proxy had recorded them, at the times at which they were, with a
// note that says where they come from. One thread.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "archive/archive.h"
#include "archive/reader.h"
#include "replay/recording.h"

namespace skep::replay {

class Importer {
 public:
  // Takes the archive for itself. Errors: a skep-proxy writes there, the folder cannot be written.
  static Result<Importer> open(const std::string& folder);

  // `service`: whose session it is to be; "": the recording's own, else "imported". `from`: the file, for the note.
  // Error: the archive cannot keep it. A recording of one connection.
  Result<SessionId> add(const Recording& recording, const std::string& service, const std::string& from);
  // Waits until all is in the archive's files.
  Status finish();

 private:
  Importer(std::unique_ptr<archive::Archive> archive, archive::Reader reader)
      : archive_(std::move(archive)), before_(std::move(reader)) {}
  archive::Writer& writer() { return archive_->writer(0); }
  bool taken(SessionId id);
  bool add_messages(SessionId id, const Recording& recording);
  bool note(SessionId id, int64_t time_ns, formats::NoteKind kind, std::string words);

  std::unique_ptr<archive::Archive> archive_;
  archive::Reader before_;  // what was there
  std::set<SessionId> given_;
  uint64_t since_tick_ = 0;
};

}  // namespace skep::replay
