#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <utility>

#include "base/text.h"
#include "capture/capture_file.h"
#include "formats/bistream.h"
#include "formats/honeytrap.h"
#include "replay/recordings.h"

namespace skep::replay {
namespace {

constexpr size_t kBeginningBytes = 4096;
constexpr size_t kPieceCost = 64;  // of memory, beside its bytes
constexpr size_t kConnectionCost = 512;
constexpr std::string_view kTooMuchAtOnce = "too much was recorded at the same time in one file";

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

// A file that is being read, and what came of it.
struct Reading {
  std::string name;  // of the file, without its folder
  File file;
  int64_t changed_ns = 0;
  uint64_t bytes = 0;
  const TakeRecording& take;
  const FileProgress& progress;
  uint64_t at = 0;  // of its bytes
  FileRead done{};

  void remark(std::string words) {
    ++done.remarks_total;
    if (done.remarks.size() < kRemarksMax) done.remarks.push_back(std::move(words));
  }
  bool give(Recording&& recording) {
    ++done.recordings;
    if (recording.cut_because == kLongerThanRead || recording.cut_because == kTooMuchAtOnce)
      remark(fmt::format("{}: cut short: {}", recording.name, recording.cut_because));
    return take(std::move(recording));
  }
  size_t fill(std::span<uint8_t> room) {
    const size_t got = std::fread(room.data(), 1, room.size(), file.get());
    at += got;
    if (progress) progress(at, bytes);
    return got;
  }
};

// A recording that is put together within the bounds of one.
class Bounded {
 public:
  explicit Bounded(std::string name) : builder_(std::move(name)) {}
  RecordingBuilder& builder() { return builder_; }
  size_t cost() const { return bytes_ + kPieceCost * pieces_ + kConnectionCost; }
  // Only where it fits; else the recording is cut short here.
  void piece(Direction direction, int64_t time_ns, ByteView bytes) {
    if (bytes_ + bytes.size() > kRecordedBytesMax || pieces_ >= kRecordedPiecesMax) return stop(kLongerThanRead);
    if (stopped_) return;
    builder_.piece(0, direction, time_ns, bytes);
    bytes_ += bytes.size();
    ++pieces_;
  }
  void stop(std::string_view why) {
    stopped_ = true;
    builder_.cut_short(why);
  }
  bool stopped() const { return stopped_; }

 private:
  RecordingBuilder builder_;
  size_t bytes_ = 0;
  size_t pieces_ = 0;
  bool stopped_ = false;
};

// The connections of a capture that have not ended.
class Captured : public capture::StreamEvents {
 public:
  explicit Captured(Reading& reading) : reading_(reading) {}

  void sent(const capture::Connection& connection, Direction direction, uint64_t, ByteView bytes) override {
    if (!wanted_) return;
    Bounded& recording = of(connection);
    const size_t before = recording.cost();
    if (open_bytes_ + bytes.size() + kPieceCost > kOpenBytesMax) recording.stop(kTooMuchAtOnce);
    recording.piece(direction, connection.now_ns, bytes);
    open_bytes_ += recording.cost() - before;
  }
  void lost(const capture::Connection& connection, Direction direction, uint64_t, uint64_t bytes) override {
    if (wanted_ && !of(connection).stopped()) of(connection).builder().lost(0, direction, bytes);
  }
  void finished(const capture::Connection& connection, Direction direction) override {
    if (wanted_ && !of(connection).stopped()) of(connection).builder().half_closed(0, direction);
  }
  void ended(const capture::Connection& connection, EndReason reason) override {
    if (!wanted_) return;
    Bounded& recording = of(connection);
    RecordedConnection& recorded = recording.builder().at(0);
    recorded.closed_ns = reason == EndReason::open ? 0 : connection.now_ns;
    recorded.end_reason = reason;
    // Of datagrams nothing marks the end, and a capture may stop before they are silent.
    if (reason == EndReason::open && connection.protocol == Protocol::tcp)
      recording.builder().cut_short("the capture does not have the end of the connection");
    open_bytes_ -= recording.cost();
    wanted_ = reading_.give(recording.builder().take());
    open_.erase({connection.protocol, connection.number});
  }

 private:
  Bounded& of(const capture::Connection& connection) {
    const std::pair key(connection.protocol, connection.number);
    if (const auto found = open_.find(key); found != open_.end()) return *found->second;
    auto recording = std::make_unique<Bounded>(fmt::format("{}#{}", reading_.name, ++begun_));
    recording->builder().connection({.protocol = connection.protocol,
                                     .client = connection.client,
                                     .server = connection.server,
                                     .opened_ns = connection.begun_ns});
    open_bytes_ += recording->cost();
    return *open_.emplace(key, std::move(recording)).first->second;
  }

  Reading& reading_;
  std::map<std::pair<Protocol, uint64_t>, std::unique_ptr<Bounded>> open_;
  size_t open_bytes_ = 0;
  uint64_t begun_ = 0;
  bool wanted_ = true;
};

Status read_capture(Reading& reading) {
  reading.done.format = "capture";
  Captured captured(reading);
  capture::TcpStreams streams(captured);
  capture::DatagramSessions datagrams(captured);
  const auto read = capture::read_capture(reading.file.release(), streams, &datagrams, [&](uint64_t at) {
    if (reading.progress) reading.progress(at, reading.bytes);
  });
  if (!read) return tl::unexpected<Error>(read.error());
  const capture::CaptureCounts& packets = read->counts;
  const capture::StreamCounts& counts = streams.counts();
  const std::pair<uint64_t, std::string_view> said[] = {
      {packets.fragments, "IP fragments are not put together"},
      {packets.damaged, "packets have damaged headers"},
      {packets.cut_short, "packets are cut short by the capture"},
      {counts.midstream, "connections began before the capture: who serves is a guess by the ports"},
      {counts.of_clients.lost_bytes + counts.of_servers.lost_bytes, "bytes are missing in the capture"},
      {counts.stray_segments, "segments are too far off to be of their connection"},
      {counts.put_out + datagrams.counts().put_out, "connections were left before their end: too many at once"}};
  for (const auto& [count, words] : said) {
    if (count > 0) reading.remark(fmt::format("{} {}", count, words));
  }
  if (!read->damage.empty()) reading.remark("the rest cannot be read: " + read->damage);
  return {};
}

// Dionaea names its files by them: "httpd-80-192.0.2.1-a1B2c3".
struct NamedEnds {
  std::string service;
  Endpoint client;
  Endpoint server;
};
NamedEnds ends_named(std::string_view name) {
  const auto parts = split(name, '-');
  if (parts.size() < 4) return {};
  const std::string_view address = parts[parts.size() - 2];
  const auto client =
      parse_endpoint(address.find(':') == std::string_view::npos ? address : fmt::format("[{}]", address));
  const auto server = parse_endpoint(fmt::format("0.0.0.0:{}", parts[parts.size() - 3]));
  if (!client || client->port != 0 || !server || server->port == 0) return {};
  const size_t behind = parts[parts.size() - 3].data() - name.data();
  return {std::string(name.substr(0, behind - 1)), *client, *server};
}

// Its pieces have no times: all are at its beginning, or when the file was last changed.
Status read_bistream(Reading& reading) {
  reading.done.format = "bistream";
  const NamedEnds named = ends_named(reading.name);
  Bounded recording(reading.name);
  recording.builder().recording().service = named.service;
  formats::BistreamReader bistream([&](std::span<uint8_t> room) { return reading.fill(room); });
  int64_t time_ns = 0;
  bool begun = false;
  const auto begin = [&] {
    if (std::exchange(begun, true)) return;
    const formats::BistreamHead& head = bistream.head();
    time_ns = head.begun_ns != 0 ? head.begun_ns : reading.changed_ns;
    recording.builder().connection({.protocol = head.protocol,
                                    .client = head.client.value_or(named.client),
                                    .server = head.server.value_or(named.server),
                                    .opened_ns = time_ns,
                                    .closed_ns = time_ns});
  };
  auto read = bistream.read([&](Direction direction, ByteView bytes) {
    begin();
    recording.piece(direction, time_ns, bytes);
    return !recording.stopped();
  });
  if (!read && !begun) return read;
  begin();
  if (!read) {
    reading.remark("the rest cannot be read: " + read.error().message);
    recording.stop(read.error().message);
  }
  reading.give(recording.builder().take());
  return {};
}

Status read_honeytrap(Reading& reading) {
  reading.done.format = "honeytrap";
  uint64_t number = 0;
  uint64_t no_connection = 0;
  const auto read = formats::read_honeytrap(
      [&](std::span<uint8_t> room) { return reading.fill(room); },
      [&](formats::HoneytrapAttack&& attack) {
        const std::string name = fmt::format("{}#{}", reading.name, ++number);
        const bool udp = attack.protocol == to_string(Protocol::udp);
        // What it calls an attack may be of no connection: it has no ends and no time then, but perhaps bytes.
        if (!udp && attack.protocol != to_string(Protocol::tcp) && !attack.received.bytes.empty()) ++no_connection;
        // In a capture the two ends must be told apart.
        if (attack.remote == attack.local) attack.remote.port ^= 1;
        Bounded recording(name);
        RecordingBuilder& builder = recording.builder();
        builder.connection({.protocol = udp ? Protocol::udp : Protocol::tcp,
                            .client = attack.remote,
                            .server = attack.local,
                            .opened_ns = attack.start_ns,
                            .closed_ns = std::max(attack.start_ns, attack.end_ns)});
        for (const auto& [direction, payload] :
             {std::pair(Direction::to_bait, &attack.received), std::pair(Direction::to_client, &attack.proxied)}) {
          if (!payload->bytes.empty()) recording.piece(direction, attack.start_ns, payload->bytes);
          if (payload->length > payload->bytes.size()) {
            builder.lost(0, direction, payload->length - payload->bytes.size());
            builder.cut_short("data_hex has not all of the payload");
          }
          for (const std::string& doubt : payload->doubts) reading.remark(fmt::format("{}: {}", name, doubt));
        }
        return reading.give(builder.take());
      });
  if (no_connection > 0)
    reading.remark(fmt::format("{} attacks name neither tcp nor udp: their bytes are taken for TCP's", no_connection));
  for (const std::string& damage : read.damage) reading.remark(damage);
  reading.done.remarks_total += read.damages - read.damage.size();
  if (read.attacks == 0 && read.damages > 0) return fail("{}", read.damage.front());
  if (read.attacks == 0) return fail("there is no `attack_connection` in it");
  return {};
}

bool looks_like_capture(std::string_view beginning) {
  // pcap of microseconds and nanoseconds, of either order of bytes; pcapng.
  constexpr std::array<std::string_view, 5> kMagic = {"\xa1\xb2\xc3\xd4", "\xd4\xc3\xb2\xa1", "\xa1\xb2\x3c\x4d",
                                                      "\x4d\x3c\xb2\xa1", "\x0a\x0d\x0d\x0a"};
  return std::ranges::any_of(kMagic, [&](std::string_view magic) { return beginning.starts_with(magic); });
}

struct Format {
  bool (*looks_like)(std::string_view beginning);
  Status (*read)(Reading& reading);
};
constexpr Format kFormats[] = {{looks_like_capture, read_capture},
                               {formats::looks_like_bistream, read_bistream},
                               {formats::looks_like_honeytrap, read_honeytrap}};

std::string_view name_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

Result<FileRead> for_each_recording(const std::string& path, const TakeRecording& take, const FileProgress& progress) {
  File file(std::fopen(path.c_str(), "rbe"));
  struct stat about {};
  if (!file || ::fstat(::fileno(file.get()), &about) != 0) return fail_errno("read " + printable(path));
  std::string beginning(kBeginningBytes, '\0');
  beginning.resize(std::fread(beginning.data(), 1, beginning.size(), file.get()));
  if (std::ferror(file.get()) != 0) return fail_errno("read " + printable(path));
  std::rewind(file.get());
  const auto* const format =
      std::ranges::find_if(kFormats, [&](const Format& each) { return each.looks_like(beginning); });
  if (format == std::end(kFormats))
    return fail("{}: neither a capture (pcap, pcapng) nor a bistream nor honeytrap's JSON", printable(path));
  Reading reading{.name = std::string(name_of(path)),
                  .file = std::move(file),
                  .changed_ns = about.st_mtim.tv_sec * int64_t{1'000'000'000} + about.st_mtim.tv_nsec,
                  .bytes = static_cast<uint64_t>(about.st_size),
                  .take = take,
                  .progress = progress};
  if (auto read = format->read(reading); !read) return wrap(printable(path), read);
  return std::move(reading.done);
}

Result<std::vector<Recording>> read_recordings(const std::string& path, FileRead* read) {
  std::vector<Recording> all;
  size_t cost = 0;
  auto done = for_each_recording(path, [&](Recording&& recording) {
    cost += kConnectionCost + recording.payload_bytes() + recording.messages.size() * sizeof(Message);
    if (cost <= kOpenBytesMax) all.push_back(std::move(recording));
    return cost <= kOpenBytesMax;
  });
  if (!done) return tl::unexpected<Error>(done.error());
  if (cost > kOpenBytesMax)
    return fail("{}: more than is held in memory: import it into an archive (skep session import)", printable(path));
  std::ranges::stable_sort(all, {}, [](const Recording& recording) { return recording.connections.front().opened_ns; });
  if (all.size() == 1) all.front().name = name_of(path);
  if (read != nullptr) *read = std::move(*done);
  return all;
}

}  // namespace skep::replay
