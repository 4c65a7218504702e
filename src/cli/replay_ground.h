// What a replay stands on: the archive and the options that name the baits, the list of targets that may be replayed
// to, the monitor's word by way of the running proxy. And what is replayed: recordings of the archive or of files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "archive/reader.h"
#include "cli/archive_option.h"
#include "formats/options.h"
#include "replay/player.h"
#include "replay/targets.h"

namespace skep::cli {

// A recording that is to be replayed, and where its service stands. What lies in the archive is read when its turn
// comes.
struct Subject {
  std::string name;  // id, or FILE#3
  std::optional<archive::SessionSummary> session;
  std::optional<replay::Recording> recording;  // of a file
  std::string service;
};

class ReplayGround {
 public:
  // `allow`: a file of targets; empty: what the options say.
  static Result<ReplayGround> open(const ArchiveOption& archive, const std::string& allow);

  // A session's id, or a file's recordings.
  Result<std::vector<Subject>> named(const std::string& word, const std::string& service);
  Result<std::vector<Subject>> matching(const archive::Filter& filter);
  Result<replay::Recording> recording(const Subject& subject);

  // The recorded service's address as it stands in the options, else as it was recorded. Error: why there is none.
  Result<Endpoint> bait_of(const Subject& subject) const;
  // Error: it may not be replayed to.
  Status allows(const Endpoint& target, const std::vector<Subject>& subjects) const;
  uint32_t attempts_per_second() const { return targets_.per_second(); }
  // Nobody watches where there is no archive with a running proxy.
  std::string socket() const;
  std::string archive() const { return reader_ ? reader_->folder() : std::string(); }
  archive::Reader* reader() { return reader_ ? &*reader_ : nullptr; }

 private:
  std::optional<archive::Reader> reader_;
  std::string no_reader_because_;
  std::optional<formats::ProxyOptions> options_;
  replay::Targets targets_;
};

// Set by SIGINT and SIGTERM from here on; a second one ends the program at once.
const std::atomic<bool>& stop_flag();

}  // namespace skep::cli
