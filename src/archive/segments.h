// The segments of an archive, for reading: by number, record by record, or one
// record at its place.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "archive/segment_file.h"
#include "base/result.h"
#include "formats/segment.h"

namespace skep::archive {

constexpr char kPartEnding[] = ".part";  // of a sealed segment that is on its way

// Numbers of the segments there, in either form, ascending. Foreign files are
// left alone; their names in `foreign`, and those of sealed segments that are
// not whole in `parts`, if that is wanted.
Result<std::vector<uint32_t>> list_segments(const std::string& folder, std::vector<std::string>* foreign = nullptr,
                                            std::vector<std::string>* parts = nullptr);

// Retention has been at all segments up to this one: of sessions that are not
// tagged nothing need be there. 0: none.
uint32_t dropped_up_to(const std::string& folder);
Status set_dropped_up_to(const std::string& folder, uint32_t number);

class SegmentReader {
 public:
  explicit SegmentReader(std::string folder) : folder_(std::move(folder)) {}

  struct Loaded {
    bool gone = false;  // retention took it, or may have
    Bytes bytes;
    formats::DecodedRecord decoded;  // borrows `bytes`
  };
  Result<Loaded> read(const formats::RecordPlace& place);

  struct ScanEnd {
    uint64_t offset = 0;  // where the last whole record ends
    formats::RecordProblem problem = formats::RecordProblem::none;
  };
  using Take = std::function<void(const formats::Record&, const formats::RecordPlace&)>;
  // Every record of one segment, in order, up to its end or to the first that
  // is torn or damaged.
  Result<ScanEnd> scan(uint32_t number, const Take& take);
  Result<SegmentFile*> open(uint32_t number);

 private:
  const std::string folder_;
  std::map<uint32_t, SegmentFile> files_;
};

Result<SegmentReader::ScanEnd> scan_segment(SegmentFile& file, uint32_t number, const SegmentReader::Take& take);

}  // namespace skep::archive
