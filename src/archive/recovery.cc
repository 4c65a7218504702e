#include "archive/recovery.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "archive/ring.h"
#include "archive/sealing.h"
#include "archive/segments.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

namespace skep::archive {
namespace {

using formats::RecordProblem;
using formats::RingPiece;

Status store_piece(const std::string& folder, const RingPiece& piece) {
  const std::string path = segment_path(folder, piece.segment);
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0640));
  if (!file) return fail_errno("open " + path);
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) return fail_errno("look at " + path);
  if (static_cast<uint64_t>(about.st_size) < piece.offset)
    return fail("{} has {} bytes, and the ring goes on at {}", path, about.st_size, piece.offset);
  size_t done = 0;
  while (done < piece.bytes.size()) {
    const ssize_t put = ::pwrite(file.get(), piece.bytes.data() + done, piece.bytes.size() - done,
                                 static_cast<off_t>(piece.offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return fail_errno("write " + path);
    done += static_cast<size_t>(put);
  }
  if (::ftruncate(file.get(), static_cast<off_t>(piece.offset + piece.bytes.size())) != 0 ||
      ::fdatasync(file.get()) != 0)
    return fail_errno("write " + path);
  return {};
}

// A ring that makes no sense is kept for whoever wants to look at it, and stands in nobody's way.
void set_ring_aside(const std::string& ring, const Error& why) {
  const std::string aside = ring + kUnreadableEnding;
  log::error("archive: the ring that was left behind cannot be read ({}): it is kept as {}", why.message, aside);
  if (std::rename(ring.c_str(), aside.c_str()) != 0) log::error("archive: {}: {}", ring, std::strerror(errno));
}

Status store_ring(const std::string& folder, const std::string& path) {
  const auto ring = read_ring(path);
  if (!ring) return tl::unexpected<Error>(ring.error());
  if (!*ring) {
    log::warning("archive: the machine went down while skep-proxy ran: its last moment may be lacking");
    return remove_ring(path);
  }
  const auto pieces = formats::unstored_pieces(**ring);
  if (!pieces) {
    set_ring_aside(path, pieces.error());
    return {};
  }
  uint64_t bytes = 0;
  for (const RingPiece& piece : *pieces) {
    if (piece.damaged) log::error("archive: the ring is damaged in segment {}: what follows is lost", piece.segment);
    if (piece.segment == 0 || piece.bytes.empty()) continue;
    if (auto stored = store_piece(folder, piece); !stored) return wrap("store the ring that was left behind", stored);
    bytes += piece.bytes.size();
  }
  log::info("archive: {} bytes of a former life were in the ring: stored", bytes);
  return remove_ring(path);
}

// The crash came between the making of the file and its first bytes.
Status give_header(const std::string& folder, uint32_t number) {
  const std::string path = segment_path(folder, number);
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0 || about.st_size > 0) return {};
  return write_file(path, as_text(formats::encode_segment_header(number, now_realtime_ns())), 0640);
}

// True where a whole record stands somewhere in the bytes.
bool holds_a_record(ByteView bytes) {
  constexpr std::string_view kMagic = "SKPR";
  const std::string_view text = as_text(bytes);
  for (size_t at = text.find(kMagic); at != std::string_view::npos; at = text.find(kMagic, at + 1)) {
    if (formats::decode_record(bytes.subspan(at)).problem == RecordProblem::none) return true;
  }
  return false;
}

Result<Bytes> read_rest(const std::string& path, uint64_t from) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about {};
  if (!file || ::fstat(file.get(), &about) != 0) return fail_errno("open " + path);
  Bytes rest(static_cast<uint64_t>(about.st_size) > from ? static_cast<uint64_t>(about.st_size) - from : 0);
  size_t filled = 0;
  while (filled < rest.size()) {
    const ssize_t got =
        ::pread(file.get(), rest.data() + filled, rest.size() - filled, static_cast<off_t>(from + filled));
    if (got <= 0) return fail_errno("read " + path);
    filled += static_cast<size_t>(got);
  }
  return rest;
}

// Behind the last whole record: nothing, zeroes that were to be overwritten, a torn record, or damage. It is cut,
// unless there are records behind the damage: then it is no tail, and is left as it is.
Status cut_tail(const std::string& folder, uint32_t number, const SegmentReader::ScanEnd& end) {
  const std::string path = segment_path(folder, number);
  const auto rest = read_rest(path, end.offset);
  if (!rest) return tl::unexpected<Error>(rest.error());
  if (rest->empty()) return {};
  // Also where it seems torn: a damaged length reaches beyond the end.
  if (holds_a_record(*rest)) {
    log::warning("archive: segment {} is damaged at offset {}: what comes after it is left as it is", number,
                 end.offset);
    return {};
  }
  const bool written = std::any_of(rest->begin(), rest->end(), [](uint8_t byte) { return byte != 0; });
  if (written) log::warning("archive: segment {} ends within a record at offset {}: cut there", number, end.offset);
  if (::truncate(path.c_str(), static_cast<off_t>(end.offset)) != 0) return fail_errno("cut " + path);
  return {};
}

class Reading {
 public:
  Reading(const std::string& folder, Index& index) : folder_(folder), index_(index), reader_(folder) {}

  Status from_index() {
    auto rows = index_.open_sessions();
    if (!rows) return tl::unexpected<Error>(rows.error());
    for (SessionSummary& row : *rows) recovered_.rows[row.id.value] = std::move(row);
    Filter newest;
    newest.newest_first = true;
    newest.limit = 1;
    const auto last = index_.select(newest);
    if (!last) return tl::unexpected<Error>(last.error());
    if (!last->empty()) recovered_.last_id = last->front().id.value;
    return {};
  }
  void segment(uint32_t number) {
    if (const auto given = give_header(folder_, number); !given) log::warning("archive: {}", given.error().message);
    const auto end = reader_.scan(number, [&](const auto& record, const auto& place) { take(record, place); });
    if (!end) return log::warning("archive: {}", end.error().message);
    if (const auto file = reader_.open(number); file && (*file)->sealed()) return;  // it has no tail
    if (const auto cut = cut_tail(folder_, number, *end); !cut) log::warning("archive: {}", cut.error().message);
  }
  Recovered& recovered() { return recovered_; }

 private:
  void take(const formats::Record& record, const formats::RecordPlace& place) {
    auto found = recovered_.rows.find(record.session.value);
    if (found == recovered_.rows.end()) {
      auto stored = index_.find(record.session);
      SessionSummary row = stored && *stored ? std::move(**stored) : SessionSummary{};
      found = recovered_.rows.emplace(record.session.value, std::move(row)).first;
    }
    // Records that the row holds already are not taken twice.
    if (found->second.last < place) apply(found->second, record, place);
    recovered_.last_id = std::max(recovered_.last_id, record.session.value);
  }

  const std::string& folder_;
  Index& index_;
  SegmentReader reader_;
  Recovered recovered_;
};

}  // namespace

Status take_in_rings(const std::string& folder) {
  for (const std::string& path : list_rings(folder)) {
    if (auto stored = store_ring(folder, path); !stored) return stored;
  }
  return {};
}

Result<Recovered> recover_log(const std::string& folder, Index& index) {
  if (auto removed = remove_half_sealed(folder); !removed) return tl::unexpected<Error>(removed.error());
  std::vector<std::string> foreign;
  const auto numbers = list_segments(folder, &foreign);
  if (!numbers) return tl::unexpected<Error>(numbers.error());
  for (const std::string& name : foreign)
    log::warning("archive: {}/segments/{} is none of ours: left alone", folder, name);
  const auto indexed = index.indexed_segment();
  if (!indexed) return tl::unexpected<Error>(indexed.error());
  Reading reading(folder, index);
  if (auto read = reading.from_index(); !read) return tl::unexpected<Error>(read.error());
  for (const uint32_t number : *numbers) {
    reading.recovered().last_segment = std::max(reading.recovered().last_segment, number);
    // Whatever the index may lack, and whatever has a tail, lies in this segment or after it.
    if (number >= *indexed) reading.segment(number);
  }
  return std::move(reading.recovered());
}

}  // namespace skep::archive
