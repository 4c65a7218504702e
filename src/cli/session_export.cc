#include "cli/session_export.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/evidence_store.h"
#include "base/fd.h"
#include "base/file.h"
#include "cli/session_text.h"
#include "formats/bistream.h"
#include "view/output_file.h"
#include "view/record_words.h"
#include "view/session_evidence.h"
#include "view/session_pcapng.h"

namespace skep::cli {
namespace {

using formats::RecordType;
using view::OutputFile;

constexpr size_t kCopyBytes = 1 << 20;

Status copy_file(const std::string& from, const std::string& to) {
  const Fd source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!source) return fail_errno("read " + from);
  ::unlink(to.c_str());  // of a former export: not to be written over, for it is read-only
  auto target = OutputFile::open(to);
  if (!target) return tl::unexpected<Error>(target.error());
  Bytes block(kCopyBytes);
  ssize_t got = 0;
  while ((got = ::read(source.get(), block.data(), block.size())) > 0 &&
         target->put(ByteView(block).first(static_cast<size_t>(got)))) {
  }
  if (got < 0) return fail_errno("read " + from);
  if (::fchmod(target->fd(), 0440) != 0) return fail_errno("make " + to + " read-only");
  return target->finish();
}

// Beside the streams: the stored copies, by their SHA-256. Never executable: they are attackers' programs.
Status export_files(archive::Reader& reader, const archive::SessionSummary& session, const std::string& folder) {
  if (session.alerts_total == 0) return {};
  const auto evidence = view::evidence_of(reader, session);
  if (!evidence) return tl::unexpected<Error>(evidence.error());
  for (const formats::FileEvent& file : evidence->files) {
    if (file.state != formats::FileState::stored) continue;
    if (auto made = make_directories(folder); !made) return made;
    if (auto copied = copy_file(archive::evidence_path(reader.folder(), file.sha256), folder + "/" + file.sha256);
        !copied)
      return copied;
  }
  return {};
}

}  // namespace

Status export_pcapng(archive::Reader& reader, const archive::SessionSummary& session, const std::string& path) {
  auto file = OutputFile::open(path);
  if (!file) return tl::unexpected<Error>(file.error());
  if (auto read = view::write_pcapng(reader, session, [&](ByteView bytes) { return file->put(bytes); }); !read)
    return read;
  return file->finish();
}

Status export_raw(archive::Reader& reader, const archive::SessionSummary& session, const std::string& folder) {
  if (auto made = make_directories(folder); !made) return made;
  const std::string base = folder + "/" + to_string(session.id);
  auto in = OutputFile::open(base + ".in");
  if (!in) return tl::unexpected<Error>(in.error());
  auto out = OutputFile::open(base + ".out");
  if (!out) return tl::unexpected<Error>(out.error());
  auto read = reader.for_each_while(session, {}, [&](const formats::Record& record) {
    return record.type != RecordType::data || (record.direction == Direction::to_bait ? *in : *out).put(record.payload);
  });
  if (!read) return read;
  if (auto whole = in->finish(); !whole) return whole;
  if (auto whole = out->finish(); !whole) return whole;
  return export_files(reader, session, base + ".files");
}

Status export_text(archive::Reader& reader, const archive::SessionSummary& session, const std::string& path) {
  auto file = OutputFile::open(path);
  if (!file) return tl::unexpected<Error>(file.error());
  const auto told = story(reader, session);
  if (!told) return tl::unexpected<Error>(told.error());
  file->put(as_bytes(*told + "\n"));
  auto read = reader.for_each_while(
      session, {}, [&](const formats::Record& record) { return file->put(as_bytes(view::record_text(record))); });
  if (!read) return read;
  return file->finish();
}

Status export_bistream(archive::Reader& reader, const archive::SessionSummary& session, const std::string& path) {
  auto file = OutputFile::open(path);
  if (!file) return tl::unexpected<Error>(file.error());
  formats::BistreamWriter writer([&](ByteView bytes) { return file->put(bytes); });
  writer.begin({session.protocol, session.client, session.entrance, session.start_ns});
  auto read = reader.for_each_while(session, {}, [&](const formats::Record& record) {
    return record.type != RecordType::data || writer.piece(record.direction, record.payload);
  });
  if (!read) return read;
  writer.end();
  return file->finish();
}

}  // namespace skep::cli
