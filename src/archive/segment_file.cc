#include "archive/segment_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "formats/segment.h"

namespace skep::archive {
namespace {

constexpr size_t kUnpackedMax = 4;

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

Result<Bytes> read_whole(int fd, size_t bytes, uint64_t offset) {
  Bytes read(bytes);
  const auto got = read_at(fd, read.data(), bytes, offset);
  if (!got) return tl::unexpected<Error>(got.error());
  if (*got != bytes) return fail("a segment ends where it should go on");
  return read;
}

}  // namespace

std::string segment_path(const std::string& folder, uint32_t number) {
  return fmt::format("{}/segments/{:08}.seg", folder, number);
}

std::string sealed_path(const std::string& folder, uint32_t number) {
  return segment_path(folder, number) + ".zst";
}

std::optional<int64_t> written_ns(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) return std::nullopt;
  return about.st_mtim.tv_sec * int64_t{1'000'000'000} + about.st_mtim.tv_nsec;
}

// The sealed one first: it takes its place when it is whole, and then the other
// one goes. Twice, for that may happen between two looks.
Result<SegmentFile> SegmentFile::open(const std::string& folder, uint32_t number) {
  Fd fd;
  bool sealed = false;
  for (int look = 0; look < 4 && !fd; ++look) {
    sealed = look % 2 == 0;
    fd.reset(
        ::open((sealed ? sealed_path(folder, number) : segment_path(folder, number)).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd && errno != ENOENT) break;
  }
  const std::string path = sealed ? sealed_path(folder, number) : segment_path(folder, number);
  if (!fd) return fail_errno("open " + path);
  SegmentFile file(std::move(fd));
  file.written_ns_ = archive::written_ns(path).value_or(0);
  if (sealed) {
    if (auto read = file.read_table(number); !read) return wrap(path, read);
  }
  if (auto checked = file.check_header(number); !checked) return wrap(path, checked);
  return file;
}

Status SegmentFile::read_table(uint32_t number) {
  struct stat about {};
  if (::fstat(fd_.get(), &about) != 0) return fail_errno("look at it");
  const auto size = static_cast<uint64_t>(about.st_size);
  if (size < formats::kSealedFooterBytes) return fail("not a sealed segment");
  const auto footer = read_whole(fd_.get(), formats::kSealedFooterBytes, size - formats::kSealedFooterBytes);
  if (!footer) return tl::unexpected<Error>(footer.error());
  const auto length = formats::sealed_table_bytes(*footer);
  if (!length) return tl::unexpected<Error>(length.error());
  if (*length > size) return fail("a sealed segment's table is cut off");
  const auto bytes = read_whole(fd_.get(), *length, size - *length);
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  auto table = formats::decode_sealed_table(*bytes, size);
  if (!table) return tl::unexpected<Error>(table.error());
  if (table->number != number) return fail("calls itself segment {}", table->number);
  table_ = std::move(*table);
  return {};
}

Status SegmentFile::check_header(uint32_t number) {
  uint8_t header[formats::kSegmentHeaderBytes];
  const auto got = read(header, sizeof header, 0);
  if (!got) return tl::unexpected<Error>(got.error());
  const auto named = formats::decode_segment_header({header, *got});
  if (!named) return tl::unexpected<Error>(named.error());
  if (*named != number) return fail("calls itself segment {}", *named);
  begun_ns_ = ByteReader(ByteView(header).subspan(16)).le<int64_t>();
  return {};
}

Result<size_t> SegmentFile::read(uint8_t* to, size_t bytes, uint64_t offset) {
  return table_ ? read_sealed(to, bytes, offset) : read_at(fd_.get(), to, bytes, offset);
}

uint64_t SegmentFile::next_held(uint64_t offset) const {
  if (!table_) return offset;
  for (const formats::SealedFrame& frame : table_->frames) {
    if (offset < frame.offset + frame.bytes) return std::max(offset, frame.offset);
  }
  return table_->segment_bytes;
}

Result<const Bytes*> SegmentFile::frame(size_t index) {
  for (const auto& [number, bytes] : unpacked_) {
    if (number == index) return &bytes;
  }
  const formats::SealedFrame& row = table_->frames[index];
  const auto stored = read_whole(fd_.get(), row.stored_bytes, row.place);
  if (!stored) return tl::unexpected<Error>(stored.error());
  auto bytes = formats::unpack_frame(*stored, row);
  if (!bytes) return fail("segment {}: the frame at offset {} is damaged", table_->number, row.offset);
  if (unpacked_.size() >= kUnpackedMax) unpacked_.pop_front();
  unpacked_.emplace_back(index, std::move(*bytes));
  return &unpacked_.back().second;
}

Result<size_t> SegmentFile::read_sealed(uint8_t* to, size_t bytes, uint64_t offset) {
  if (offset >= table_->segment_bytes) return size_t{0};
  const auto wanted = static_cast<size_t>(std::min<uint64_t>(bytes, table_->segment_bytes - offset));
  std::memset(to, 0, wanted);
  const auto& frames = table_->frames;
  auto row = std::upper_bound(frames.begin(), frames.end(), offset,
                              [](uint64_t at, const auto& each) { return at < each.offset + each.bytes; });
  for (; row != frames.end() && row->offset < offset + wanted; ++row) {
    const auto held = frame(static_cast<size_t>(row - frames.begin()));
    if (!held) return tl::unexpected<Error>(held.error());
    const uint64_t from = std::max(offset, row->offset);
    const uint64_t until = std::min(offset + wanted, row->offset + row->bytes);
    std::memcpy(to + (from - offset), (*held)->data() + (from - row->offset), until - from);
  }
  return wanted;
}

}  // namespace skep::archive
