#include "archive/segments.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace skep::archive {
namespace {

constexpr size_t kOpenMax = 64;
constexpr size_t kScanBytes = 4 << 20;

Result<size_t> read_at(int fd, uint8_t* to, size_t bytes, uint64_t offset) {
  size_t filled = 0;
  while (filled < bytes) {
    const ssize_t got = ::pread(fd, to + filled, bytes - filled, static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read a segment");
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  return filled;
}

}  // namespace

std::string segment_path(const std::string& folder, uint32_t number) {
  return fmt::format("{}/segments/{:08}.seg", folder, number);
}

Result<std::vector<uint32_t>> list_segments(const std::string& folder, std::vector<std::string>* foreign) {
  const std::string path = folder + "/segments";
  DIR* stream = ::opendir(path.c_str());
  if (stream == nullptr) return fail_errno("open the archive folder " + path);
  std::vector<uint32_t> numbers;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    uint32_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    const bool ours = error == std::errc{} && number > 0 && fmt::format("{:08}.seg", number) == name;
    if (ours) {
      numbers.push_back(number);
    } else if (foreign != nullptr) {
      foreign->emplace_back(name);
    }
  }
  ::closedir(stream);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Result<int> SegmentReader::open(uint32_t number) {
  if (const auto found = files_.find(number); found != files_.end()) return found->second.get();
  const std::string path = segment_path(folder_, number);
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("open " + path);
  uint8_t header[formats::kSegmentHeaderBytes];
  const auto got = read_at(fd.get(), header, sizeof header, 0);
  if (!got) return tl::unexpected<Error>(got.error());
  const auto named = formats::decode_segment_header({header, *got});
  if (!named) return wrap(path, named);
  if (*named != number) return fail("{}: calls itself segment {}", path, *named);
  if (files_.size() >= kOpenMax) files_.erase(files_.begin());
  return files_.emplace(number, std::move(fd)).first->second.get();
}

Result<SegmentReader::Loaded> SegmentReader::read(const formats::RecordPlace& place) {
  const auto fd = open(place.segment);
  if (!fd) return tl::unexpected<Error>(fd.error());
  Loaded loaded;
  loaded.bytes.resize(formats::kRecordHeaderBytes);
  auto got = read_at(*fd, loaded.bytes.data(), loaded.bytes.size(), place.offset);
  if (!got) return tl::unexpected<Error>(got.error());
  // The header says how long the payload is; a length beyond the bound is damage and not read.
  const auto payload = ByteReader(ByteView(loaded.bytes).subspan(8)).le<uint32_t>();
  if (*got < loaded.bytes.size() || payload > formats::kPayloadBytesMax)
    return fail("segment {}: no record at offset {}", place.segment, place.offset);
  loaded.bytes.resize(formats::kRecordHeaderBytes + payload);
  got = read_at(*fd, loaded.bytes.data(), loaded.bytes.size(), place.offset);
  if (!got) return tl::unexpected<Error>(got.error());
  loaded.decoded = formats::decode_record(ByteView(loaded.bytes).first(*got));
  if (loaded.decoded.problem != formats::RecordProblem::none)
    return fail("segment {}: the record at offset {} is damaged", place.segment, place.offset);
  return loaded;
}

Result<SegmentReader::ScanEnd> SegmentReader::scan(
    uint32_t number, const std::function<void(const formats::Record&, const formats::RecordPlace&)>& take) {
  const auto fd = open(number);
  if (!fd) return tl::unexpected<Error>(fd.error());
  ScanEnd end{formats::kSegmentHeaderBytes, formats::RecordProblem::none};
  Bytes window(kScanBytes);
  while (true) {
    const auto got = read_at(*fd, window.data(), window.size(), end.offset);
    if (!got) return tl::unexpected<Error>(got.error());
    size_t at = 0;
    while (at < *got) {
      const auto decoded = formats::decode_record(ByteView(window).subspan(at, *got - at));
      if (decoded.problem == formats::RecordProblem::torn && at > 0 && *got == window.size())
        break;                                                           // the next window has it whole
      if (decoded.problem == formats::RecordProblem::blank) return end;  // still written, or begun and left
      if (decoded.problem != formats::RecordProblem::none) {
        end.problem = decoded.problem;
        return end;
      }
      take(decoded.record, {number, end.offset});
      at += decoded.bytes;
      end.offset += decoded.bytes;
    }
    if (*got < window.size()) return end;
  }
}

}  // namespace skep::archive
