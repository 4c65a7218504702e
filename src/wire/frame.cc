#include "wire/frame.h"

#include <algorithm>

namespace skep::wire {
namespace {

constexpr size_t kLengthBytes = 4;
constexpr size_t kAddressBytes = 16;
constexpr size_t kSha256Bytes = 32;

bool fits(const std::string& text) {
  return text.size() <= kTextBytesMax;
}

bool valid(const FlowTuple& flow) {
  return flow.remote_address().size() == kAddressBytes && flow.local_address().size() == kAddressBytes &&
         flow.remote_port() <= 65535 && flow.local_port() <= 65535;
}

bool valid(const Process& process) {
  return fits(process.exe()) && fits(process.args()) && fits(process.comm());
}

bool valid(const CrashState& state) {
  return fits(state.comm()) && state.registers_size() <= kRegistersMax && fits(state.code_bytes()) &&
         fits(state.stack());
}

bool valid(const Alert& alert) {
  for (const std::string* text : {&alert.rule(), &alert.priority(), &alert.description(), &alert.exe(),
                                  &alert.syscall(), &alert.arguments(), &alert.provenance(), &alert.service()}) {
    if (!fits(*text)) return false;
  }
  if (alert.lineage_size() > kLineageMax || alert.steps_size() > kStepsMax || alert.candidates_size() > kCandidatesMax)
    return false;
  for (const Process& process : alert.lineage()) {
    if (!valid(process)) return false;
  }
  if (alert.has_crash_state() && !valid(alert.crash_state())) return false;
  for (const std::string& step : alert.steps()) {
    if (!fits(step)) return false;
  }
  if (alert.writer() != 0 && (!valid(alert.writer_flow()) || alert.writer_confidence() > 4)) return false;
  return (alert.serial() == 0 || valid(alert.flow())) && alert.action() <= 3 && alert.confidence() <= 4;
}

bool valid(const FileFound& file) {
  const bool copied = file.sha256().size() == kSha256Bytes;
  return fits(file.path()) && fits(file.why()) && FileFound::Role_IsValid(file.role()) &&
         file.copied() <= kFileBytesMax && (copied || (file.sha256().empty() && !file.offered() && file.copied() == 0));
}

bool valid(const FileChunk& chunk) {
  return chunk.sha256().size() == kSha256Bytes && chunk.content().size() <= kChunkBytesMax &&
         chunk.offset() <= kFileBytesMax;
}

bool valid(const RecordsLost& lost) {
  return fits(lost.ring()) && lost.flows_size() <= kCandidatesMax &&
         std::all_of(lost.flows().begin(), lost.flows().end(), [](const FlowName& name) { return valid(name.flow()); });
}

bool valid(const Frame& frame) {
  switch (frame.body_case()) {
    case Frame::kHello:
      return fits(frame.hello().name());
    case Frame::kSessionOpened:
      return valid(frame.session_opened().flow()) && fits(frame.session_opened().service());
    case Frame::kSessionClosed:
      return !frame.session_closed().has_replayed() || valid(frame.session_closed().replayed());
    case Frame::kWelcome:
      return frame.welcome().services_size() <= kServicesMax &&
             std::all_of(frame.welcome().services().begin(), frame.welcome().services().end(), fits);
    case Frame::kFlowOpened:
      return valid(frame.flow_opened().flow()) && fits(frame.flow_opened().service());
    case Frame::kProcess:
      return fits(frame.process().exe()) && frame.process().kind() >= 0 && frame.process().kind() <= 2;
    case Frame::kAlert:
      return valid(frame.alert());
    case Frame::kFileWanted:
      return frame.file_wanted().sha256().size() == kSha256Bytes;
    case Frame::kFileTaken:
      return frame.file_taken().sha256().size() == kSha256Bytes;
    case Frame::kFileFound:
      return valid(frame.file_found());
    case Frame::kFileChunk:
      return valid(frame.file_chunk());
    case Frame::kRecordsLost:
      return valid(frame.records_lost());
    case Frame::kDegraded:
      return fits(frame.degraded().words()) && fits(frame.degraded().state());
    case Frame::BODY_NOT_SET:
      return false;
    default:
      return true;
  }
}

}  // namespace

Result<std::optional<Bytes>> FrameReader::next() {
  ByteReader reader(ByteView(buffer_).subspan(taken_));
  const auto length = reader.be<uint32_t>();
  if (!reader.ok()) return std::optional<Bytes>();
  if (length > frame_bytes_max_) return fail("a frame of {} bytes; the most is {}", length, frame_bytes_max_);
  const ByteView content = reader.raw(length);
  if (!reader.ok()) return std::optional<Bytes>();
  Bytes frame(content.begin(), content.end());
  taken_ += kLengthBytes + length;
  if (taken_ == buffer_.size() || taken_ > frame_bytes_max_) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(taken_));
    taken_ = 0;
  }
  return std::optional<Bytes>(std::move(frame));
}

Bytes encode_frame(const google::protobuf::MessageLite& message) {
  Bytes out;
  const size_t bytes = message.ByteSizeLong();
  ByteWriter(out).be(static_cast<uint32_t>(bytes));
  out.resize(kLengthBytes + bytes);
  SKEP_CHECK(message.SerializeToArray(out.data() + kLengthBytes, static_cast<int>(bytes)));
  return out;
}

Result<Frame> parse_frame(ByteView content) {
  Frame frame;
  if (!frame.ParseFromArray(content.data(), static_cast<int>(content.size())))
    return fail("a frame that is no message");
  if (!valid(frame)) return fail("a message outside its limits");
  return frame;
}

}  // namespace skep::wire
