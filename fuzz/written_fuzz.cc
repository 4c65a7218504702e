// links: skep_judge
// Kernel records of written files, of any content: the table of them stays within its bounds and tells each file once.
#include <cstring>

#include "base/bytes.h"
#include "base/result.h"
#include "judge/written.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using skep::judge::WrittenFiles;
  WrittenFiles files(16);
  skep::ByteReader reader({data, size});
  while (reader.left() > 0) {
    const auto what = reader.le<uint8_t>();
    skep_wrote_record record{};
    record.label.flow.serial = what & 3u;
    record.label.flow.opened_ns = reader.le<uint8_t>();
    record.inode = reader.le<uint8_t>();
    record.name_bytes = reader.le<uint32_t>();
    record.whole = what >> 2 & 1;
    const skep::ByteView name = reader.raw(std::min<size_t>(reader.left(), what >> 3));
    if (!name.empty()) std::memcpy(record.name, name.data(), name.size());
    if (what < 0xe0) {
      files.take(record);
      continue;
    }
    if (what < 0xf0) {
      skep_renamed_record renamed{};
      renamed.serial = record.label.flow.serial;
      renamed.folder_bytes = record.name_bytes;
      std::memcpy(renamed.folder, record.name, sizeof record.name);
      std::memcpy(renamed.former, record.name, sizeof record.name);
      std::memcpy(renamed.name, record.name, sizeof record.name);
      files.take(renamed);
      continue;
    }
    const auto untold = files.take_untold(record.label.flow);
    SKEP_CHECK(untold.files.size() <= WrittenFiles::kFilesMax);
    for (const WrittenFiles::File& file : untold.files) {
      SKEP_CHECK(file.path.size() <= 3 * sizeof record.name);
      SKEP_CHECK(file.former_path.size() <= 3 * sizeof record.name);
    }
    const auto again = files.take_untold(record.label.flow);
    SKEP_CHECK(again.files.empty() && again.left_out == 0 && !again.unknown);
  }
  return 0;
}
