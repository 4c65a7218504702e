#include "archive/segments.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/file.h"
#include "base/text.h"

namespace skep::archive {
namespace {

constexpr size_t kOpenMax = 64;
constexpr size_t kScanBytes = 4 << 20;

std::string dropped_path(const std::string& folder) {
  return folder + "/dropped";
}

// Of "00000007.seg", with whatever stands behind the number.
uint32_t number_of(std::string_view name, std::string_view& ending) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  ending = name.substr(static_cast<size_t>(end - name.data()));
  const bool ours = error == std::errc{} && number > 0 && fmt::format("{:08}{}", number, ending) == name;
  return ours ? number : 0;
}

}  // namespace

Result<std::vector<uint32_t>> list_segments(const std::string& folder, std::vector<std::string>* foreign,
                                            std::vector<std::string>* parts) {
  const std::string path = folder + "/segments";
  DIR* stream = ::opendir(path.c_str());
  if (stream == nullptr) return fail_errno("open the archive folder " + path);
  std::vector<uint32_t> numbers;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    std::string_view ending;
    const uint32_t number = number_of(name, ending);
    if (number > 0 && (ending == ".seg" || ending == ".seg.zst")) {
      numbers.push_back(number);
    } else if (number > 0 && ending == ".seg.zst.part") {
      if (parts != nullptr) parts->emplace_back(name);
    } else if (foreign != nullptr) {
      foreign->emplace_back(name);
    }
  }
  ::closedir(stream);
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

uint32_t dropped_up_to(const std::string& folder) {
  const auto text = read_file(dropped_path(folder), 64);
  uint32_t number = 0;
  if (!text) return 0;
  const std::string_view digits = trim(*text);
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

Status set_dropped_up_to(const std::string& folder, uint32_t number) {
  const std::string path = dropped_path(folder);
  if (auto written = write_file(path, fmt::format("{}\n", number), 0640); !written) return written;
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file || ::fsync(file.get()) != 0) return fail_errno("sync " + path);
  return {};
}

Result<SegmentFile*> SegmentReader::open(uint32_t number) {
  if (const auto found = files_.find(number); found != files_.end()) return &found->second;
  auto file = SegmentFile::open(folder_, number);
  if (!file) return tl::unexpected<Error>(file.error());
  if (files_.size() >= kOpenMax) files_.erase(files_.begin());
  return &files_.emplace(number, std::move(*file)).first->second;
}

Result<SegmentReader::Loaded> SegmentReader::read(const formats::RecordPlace& place) {
  Loaded loaded;
  const auto file = open(place.segment);
  if (!file && file.error().code == ENOENT && place.segment <= dropped_up_to(folder_)) {
    loaded.gone = true;
    return loaded;
  }
  if (!file) return tl::unexpected<Error>(file.error());
  loaded.bytes.resize(formats::kRecordHeaderBytes);
  auto got = (*file)->read(loaded.bytes.data(), loaded.bytes.size(), place.offset);
  if (!got) return tl::unexpected<Error>(got.error());
  if ((*file)->kept() != formats::Kept::all && *got == loaded.bytes.size() && loaded.bytes[0] == 0) {
    loaded.gone = true;
    return loaded;
  }
  // The header says how long the payload is; a length beyond the bound is
  // damage and not read.
  const auto payload = ByteReader(ByteView(loaded.bytes).subspan(8)).le<uint32_t>();
  if (*got < loaded.bytes.size() || payload > formats::kPayloadBytesMax)
    return fail("segment {}: no record at offset {}", place.segment, place.offset);
  loaded.bytes.resize(formats::kRecordHeaderBytes + payload);
  got = (*file)->read(loaded.bytes.data(), loaded.bytes.size(), place.offset);
  if (!got) return tl::unexpected<Error>(got.error());
  loaded.decoded = formats::decode_record(ByteView(loaded.bytes).first(*got));
  if (loaded.decoded.problem != formats::RecordProblem::none)
    return fail("segment {}: the record at offset {} is damaged", place.segment, place.offset);
  return loaded;
}

Result<SegmentReader::ScanEnd> SegmentReader::scan(uint32_t number, const Take& take) {
  const auto file = open(number);
  if (!file) return tl::unexpected<Error>(file.error());
  return scan_segment(**file, number, take);
}

namespace {

// Behind the zeroes that stand for records which are not held; records begin
// with no zero.
uint64_t behind_zeroes(ByteView window, size_t at, uint64_t offset, const SegmentFile& file) {
  const auto next =
      std::find_if(window.begin() + static_cast<ptrdiff_t>(at), window.end(), [](uint8_t b) { return b != 0; });
  return file.next_held(offset + static_cast<uint64_t>(next - window.begin()) - at);
}

}  // namespace

Result<SegmentReader::ScanEnd> scan_segment(SegmentFile& file, uint32_t number, const SegmentReader::Take& take) {
  SegmentReader::ScanEnd end{formats::kSegmentHeaderBytes, formats::RecordProblem::none};
  Bytes window(kScanBytes);
  while (true) {
    const auto got = file.read(window.data(), window.size(), end.offset);
    if (!got) return tl::unexpected<Error>(got.error());
    bool skipped = false;
    for (size_t at = 0; at < *got && !skipped;) {
      const auto decoded = formats::decode_record(ByteView(window).subspan(at, *got - at));
      if (decoded.problem == formats::RecordProblem::torn && at > 0 && *got == window.size())
        break;  // the next window has it whole
      if (decoded.problem == formats::RecordProblem::blank && file.sealed()) {
        end.offset = behind_zeroes(ByteView(window).first(*got), at, end.offset, file);
        skipped = true;
        continue;
      }
      if (decoded.problem == formats::RecordProblem::blank) return end;  // still written, or begun and left
      if (decoded.problem != formats::RecordProblem::none) {
        end.problem = decoded.problem;
        return end;
      }
      take(decoded.record, {number, end.offset});
      at += decoded.bytes;
      end.offset += decoded.bytes;
    }
    if (!skipped && *got < window.size()) return end;
  }
}

}  // namespace skep::archive
