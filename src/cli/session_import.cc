#include "cli/session_import.h"

#include <algorithm>
#include <cstdio>
#include <span>

#include "base/clock.h"
#include "base/text.h"
#include "replay/import.h"
#include "replay/recordings.h"

namespace skep::cli {
namespace {

constexpr int64_t kBetweenWordsNs = 2'000'000'000;  // on progress
constexpr size_t kRemarksSaid = 20;                 // on a terminal, of a file

void complain(const std::string& words) {
  std::fprintf(stderr, "skep session: %s\n", words.c_str());
}

// What became of a file's recordings.
struct Counts {
  uint64_t imported = 0;
  uint64_t empty = 0;  // the client sent nothing
  uint64_t bytes = 0;
};

class Import {
 public:
  Import(replay::Importer importer, const ImportOptions& options) : importer_(std::move(importer)), options_(options) {}

  // Error: the archive cannot take any more, and nothing is gained by going on.
  Status take(const std::string& file) {
    Counts counts;
    Status kept;
    const auto read = replay::for_each_recording(
        file, [&](replay::Recording&& recording) { return add(file, recording, counts, kept); },
        [&](uint64_t at, uint64_t of) { say_progress(file, at, of, counts); });
    whole_ &= bool{read};
    say(file, counts, read);
    return kept;
  }
  // All files could be read.
  bool whole() const { return whole_; }
  Status finish() { return importer_.finish(); }

 private:
  bool add(const std::string& file, const replay::Recording& recording, Counts& counts, Status& kept) {
    if (recording.empty()) {
      ++counts.empty;
      return true;
    }
    const auto id = importer_.add(recording, options_.service, printable(file));
    if (!id) {
      kept = tl::unexpected<Error>(id.error());
      return false;
    }
    ++counts.imported;
    counts.bytes += recording.payload_bytes();
    if (!options_.json) return true;
    JsonWriter json;
    json.begin_object().field("kind", "session").field("id", to_string(*id)).field("recording", recording.name);
    json.field("file", file).end_object();
    std::printf("%s\n", json.text().c_str());
    return true;
  }
  void say_progress(const std::string& file, uint64_t at, uint64_t of, const Counts& counts) {
    const int64_t now = now_monotonic_ns();
    if (said_ns_ == 0) said_ns_ = now;
    if (now - said_ns_ < kBetweenWordsNs || of == 0) return;
    said_ns_ = now;
    std::fprintf(stderr, "%s: %lu %% read, %lu sessions imported\n", printable(file).c_str(), at * 100 / of,
                 counts.imported);
  }
  void say(const std::string& file, const Counts& counts, const Result<replay::FileRead>& read) const {
    if (options_.json) {
      JsonWriter json;
      json.begin_object().field("kind", "file").field("file", file).field("imported", counts.imported);
      json.field("empty", counts.empty).field("bytes", counts.bytes);
      if (read) {
        json.field("format", read->format).field("remarks_total", read->remarks_total).key("remarks").begin_array();
        for (const std::string& words : read->remarks) json.value(words);
        json.end_array();
      } else {
        json.field("refused", read.error().message);
      }
      json.end_object();
      std::printf("%s\n", json.text().c_str());
      return;
    }
    if (!read) return complain(read.error().message);
    const size_t said = std::min(kRemarksSaid, read->remarks.size());
    for (const std::string& words : std::span(read->remarks).first(said))
      std::fprintf(stderr, "%s: %s\n", printable(file).c_str(), printable(words).c_str());
    if (read->remarks_total > said)
      std::fprintf(stderr, "%s: and %lu more remarks (--json has %lu)\n", printable(file).c_str(),
                   read->remarks_total - said, read->remarks.size());
    std::printf("%s (%s): %lu sessions imported, %lu bytes; %lu were empty: the client sent nothing\n",
                printable(file).c_str(), std::string(read->format).c_str(), counts.imported, counts.bytes,
                counts.empty);
  }

  replay::Importer importer_;
  const ImportOptions& options_;
  bool whole_ = true;
  int64_t said_ns_ = 0;
};

}  // namespace

int import_sessions(const ImportOptions& options) {
  auto importer = replay::Importer::open(options.archive);
  if (!importer) {
    complain(importer.error().message);
    return 2;
  }
  Import import(std::move(*importer), options);
  for (const std::string& file : options.files) {
    if (const auto kept = import.take(file); !kept) {
      complain(kept.error().message);
      return 2;
    }
  }
  if (const auto finished = import.finish(); !finished) {
    complain(finished.error().message);
    return 2;
  }
  return import.whole() ? 0 : 2;
}

}  // namespace skep::cli
