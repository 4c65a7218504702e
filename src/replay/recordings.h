// Recordings, read from where they lie. Memory is bounded, whatever lies there: what is longer is read as far as the
// bound and says so (Recording::cut_short). One thread a call.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "archive/reader.h"
#include "replay/recording.h"

namespace skep::replay {

constexpr size_t kRecordedBytesMax = size_t{64} << 20;  // of payload, of one recording
constexpr size_t kRecordedPiecesMax = size_t{1} << 20;  // reads and datagrams likewise
constexpr size_t kLinkedSessionsMax = 1000;             // further connections likewise
constexpr std::string_view kLongerThanRead = "the recording is longer than is read of one";

// A session of the archive with those that belong to it (FTP's data connections) as further connections.
Result<Recording> recording_of(archive::Reader& reader, const archive::SessionSummary& session);

constexpr size_t kOpenBytesMax = size_t{256} << 20;  // of all recordings that one file has begun and not ended
constexpr size_t kRemarksMax = 100;

// What reading a file came to beside its recordings.
struct FileRead {
  std::string_view format;           // "capture", "bistream", "honeytrap"
  uint64_t recordings = 0;           // that were given, the empty ones too
  std::vector<std::string> remarks;  // what is damaged, lacks or does not agree, in words; the first kRemarksMax
  uint64_t remarks_total = 0;
};
using TakeRecording = std::function<bool(Recording&&)>;  // false: no more is wanted
// Now and then: how far in the file, of how many bytes.
using FileProgress = std::function<void(uint64_t at, uint64_t of)>;

// The recordings of a file, each as soon as it is whole, by its content: captures (pcap, pcapng), Dionaea's bistreams,
// honeytrap's JSON. Named "FILE#1" … in the order in which they began; of a file that holds one alone "FILE". Errors:
// it cannot be read, is none of these, or nothing of it could be made out.
Result<FileRead> for_each_recording(const std::string& path, const TakeRecording& take,
                                    const FileProgress& progress = {});
// All of them, in order of time; `read`, if wanted, is told the rest. Error too: they are more than kOpenBytesMax.
Result<std::vector<Recording>> read_recordings(const std::string& path, FileRead* read = nullptr);

}  // namespace skep::replay
