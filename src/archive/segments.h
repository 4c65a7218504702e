// The segment files of an archive, for reading: by number, record by record, or one record at its place.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "formats/segment.h"

namespace skep::archive {

std::string segment_path(const std::string& folder, uint32_t number);
// Numbers of the segments there, ascending. Foreign files are left alone; their names in `foreign`, if that is wanted.
Result<std::vector<uint32_t>> list_segments(const std::string& folder, std::vector<std::string>* foreign = nullptr);

class SegmentReader {
 public:
  explicit SegmentReader(std::string folder) : folder_(std::move(folder)) {}

  struct Loaded {
    Bytes bytes;
    formats::DecodedRecord decoded;  // borrows `bytes`
  };
  Result<Loaded> read(const formats::RecordPlace& place);

  struct ScanEnd {
    uint64_t offset = 0;  // where the last whole record ends
    formats::RecordProblem problem = formats::RecordProblem::none;
  };
  // Every record of one segment, in order, up to its end or to the first that is torn or damaged.
  Result<ScanEnd> scan(uint32_t number,
                       const std::function<void(const formats::Record&, const formats::RecordPlace&)>& take);

 private:
  Result<int> open(uint32_t number);
  const std::string folder_;
  std::map<uint32_t, Fd> files_;
};

}  // namespace skep::archive
