#include "formats/event_codec.h"

#include <algorithm>
#include <type_traits>

namespace skep::formats {
namespace {

constexpr size_t kTextBytesMax = 64 * 1024;
constexpr uint32_t kItemsMax = 4096;
constexpr size_t kEventBytes = 256;  // most events fit: encoded with one allocation

template <typename F, typename E>
void fields(F& f, E& e) requires std::is_same_v<std::remove_const_t<E>, TcpFigures> {
  for (auto* number : {&e.rtt_us, &e.rtt_variance_us, &e.rtt_least_us, &e.retransmitted, &e.segments_out,
                       &e.segments_in, &e.mss_out, &e.mss_in, &e.path_mtu})
    f.small(*number);
  f.number(e.bytes_acknowledged);
  f.number(e.bytes_received);
}

// One description of each event's fields serves both ways: a writer and a reader with the same face.
class Out {
 public:
  Out() { bytes.reserve(kEventBytes); }
  template <typename T>
  void number(const T& value) {
    ByteWriter(bytes).le(static_cast<uint64_t>(value));
  }
  void text(const std::string& value) {
    ByteWriter writer(bytes);
    writer.le(static_cast<uint32_t>(std::min(value.size(), kTextBytesMax)));
    writer.raw(std::string_view(value).substr(0, kTextBytesMax));
  }
  void endpoint(const Endpoint& value) {
    ByteWriter(bytes).raw(ByteView(value.address));
    number(value.port);
  }
  template <typename T, typename Each>
  void list(const std::vector<T>& items, Each each) {
    ByteWriter(bytes).le(static_cast<uint32_t>(items.size()));
    for (const T& item : items) each(item);
  }
  template <typename T>
  void small(const T& value) {
    ByteWriter(bytes).le(static_cast<uint32_t>(value));
  }
  void syn(const SavedSyn& value) {
    small(value.count);
    ByteWriter(bytes).raw(value.view());
  }
  void figures(const std::optional<TcpFigures>& value) {
    number(value.has_value());
    if (value) fields(*this, *value);
  }
  // What was added to an event later stands behind all else, each only where it or one behind it says something.
  template <typename Write>
  void tail(bool wanted, Write write) {
    if (wanted) write();
  }
  Bytes bytes;
};

class In {
 public:
  explicit In(ByteView payload) : reader_(payload) {}
  template <typename T>
  void number(T& value) {
    value = static_cast<T>(reader_.le<uint64_t>());
  }
  void text(std::string& value) {
    const auto length = reader_.le<uint32_t>();
    value = as_text(reader_.raw(length));
  }
  void endpoint(Endpoint& value) {
    const ByteView address = reader_.raw(value.address.size());
    std::copy(address.begin(), address.end(), value.address.begin());
    number(value.port);
  }
  template <typename T, typename Each>
  void list(std::vector<T>& items, Each each) {
    const auto count = reader_.le<uint32_t>();
    if (count > kItemsMax) too_many_ = true;
    for (uint32_t i = 0; i < count && reader_.ok() && !too_many_; ++i) each(items.emplace_back());
  }
  template <typename T>
  void small(T& value) {
    value = static_cast<T>(reader_.le<uint32_t>());
  }
  void syn(SavedSyn& value) {
    const auto count = reader_.le<uint32_t>();
    if (count > SavedSyn::kBytesMax) {
      too_many_ = true;
      return;
    }
    value.count = static_cast<uint8_t>(count);
    const ByteView bytes = reader_.raw(count);
    std::copy(bytes.begin(), bytes.end(), value.bytes.begin());
  }
  void figures(std::optional<TcpFigures>& value) {
    bool there = false;
    number(there);
    if (there) fields(*this, value.emplace());
  }
  // An older event ends before it.
  template <typename Read>
  void tail(bool, Read read) {
    if (reader_.ok() && reader_.left() > 0) read();
  }
  bool whole() const { return reader_.ok() && reader_.left() == 0 && !too_many_; }

 private:
  ByteReader reader_;
  bool too_many_ = false;
};

template <typename F, typename E>
void fields(F& f, E& e) requires std::is_same_v<std::remove_const_t<E>, OpenedEvent> {
  f.text(e.service);
  f.endpoint(e.client);
  f.endpoint(e.proxy);
  const bool tcp = e.protocol == Protocol::tcp;
  f.tail(e.syn.count > 0 || !tcp, [&] { f.syn(e.syn); });
  f.tail(!tcp, [&] { f.number(e.protocol); });
}
template <typename F, typename E>
void fields(F& f, E& e) requires std::is_same_v<std::remove_const_t<E>, ConnectedEvent> {
  f.endpoint(e.proxy);
  f.endpoint(e.bait);
}
template <typename F, typename E>
void fields(F& f, E& e) requires std::is_same_v<std::remove_const_t<E>, OriginEvent> {
  f.number(e.parent.value);
  f.endpoint(e.balancer);
}
template <typename F, typename E>
void fields(F& f, E& e) requires std::is_same_v<std::remove_const_t<E>, ServedEvent> {
  f.number(e.serial);
  f.number(e.pid);
  f.number(e.tid);
}
template <typename F, typename E>
void fields(F& f, E& e) requires std::is_same_v<std::remove_const_t<E>, ProcessEvent> {
  f.number(e.kind);
  f.number(e.pid);
  f.number(e.parent);
  f.number(e.status);
  f.text(e.exe);
}
template <typename F, typename E>
void fields(F& f, E& e) requires std::is_same_v<std::remove_const_t<E>, NoteEvent> {
  f.number(e.kind);
  f.text(e.words);
}
template <typename F, typename E>
void fields(F& f, E& e) requires std::is_same_v<std::remove_const_t<E>, ClosedEvent> {
  f.number(e.reason);
  f.number(e.bytes_in);
  f.number(e.bytes_out);
  f.number(e.forwarded_in);
  f.number(e.forwarded_out);
  f.tail(e.client_leg || e.bait_leg, [&] {
    f.figures(e.client_leg);
    f.figures(e.bait_leg);
  });
}
template <typename F, typename E>
void fields(F& f, E& e) requires std::is_same_v<std::remove_const_t<E>, FileEvent> {
  f.number(e.alert);
  f.number(e.pid);
  f.text(e.path);
  f.number(e.device);
  f.number(e.inode);
  f.number(e.bytes);
  f.number(e.copied);
  f.text(e.sha256);
  f.number(e.state);
  f.text(e.why);
  f.number(e.role);
  f.number(e.left_out);
}
template <typename F, typename E>
void fields(F& f, E& e) requires std::is_same_v<std::remove_const_t<E>, CrashEvent> {
  f.number(e.alert);
  f.number(e.state.pid);
  f.number(e.state.tid);
  f.text(e.state.comm);
  f.number(e.state.signal);
  f.number(e.state.code);
  f.number(e.state.address);
  f.list(e.state.registers, [&](auto& value) { f.number(value); });
  f.text(e.state.code_bytes);
  f.text(e.state.stack);
}
template <typename F, typename E>
void fields(F& f, E& e) requires std::is_same_v<std::remove_const_t<E>, ProcessInfo> {
  f.number(e.pid);
  f.number(e.parent);
  f.number(e.uid);
  f.number(e.start_ns);
  f.text(e.exe);
  f.text(e.args);
  f.text(e.comm);
}
template <typename F, typename E>
void fields(F& f, E& e) requires std::is_same_v<std::remove_const_t<E>, Alert> {
  f.number(e.id);
  f.number(e.time_ns);
  f.text(e.rule);
  f.text(e.priority);
  f.text(e.description);
  f.number(e.pid);
  f.number(e.tid);
  f.text(e.exe);
  f.text(e.syscall);
  f.text(e.arguments);
  f.text(e.provenance);
  f.number(e.action);
  f.number(e.confidence);
  f.number(e.crash);
  f.number(e.suspect);
  f.list(e.tags, [&](auto& tag) { f.text(tag); });
  f.number(e.stream_offset);
  f.list(e.steps, [&](auto& step) { f.text(step); });
  f.list(e.lineage, [&](auto& process) { fields(f, process); });
  f.list(e.candidates, [&](auto& serial) { f.number(serial); });
  f.number(e.role);
}
template <typename F, typename E>
void fields(F& f, E& e) requires std::is_same_v<std::remove_const_t<E>, RuleHit> {
  f.number(e.gid);
  f.number(e.sid);
  f.number(e.rev);
  f.text(e.message);
  f.number(e.grade);
  f.number(e.action);
  f.number(e.stream_offset);
}

template <typename Event>
Bytes encode_any(const Event& event) {
  Out out;
  fields(out, event);
  return std::move(out.bytes);
}

bool in_range(const OpenedEvent& event) {
  return event.protocol == Protocol::tcp || event.protocol == Protocol::udp;
}
bool in_range(const ConnectedEvent&) {
  return true;
}
bool in_range(const OriginEvent&) {
  return true;
}
bool in_range(const ServedEvent&) {
  return true;
}
bool in_range(const ProcessEvent& event) {
  return event.kind <= ProcessKind::exit;
}
bool in_range(const NoteEvent& event) {
  return event.kind >= NoteKind::unsupervised && event.kind <= NoteKind::limit;
}
bool is_sha256(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}
// The name of a file in the archive is made of its sha256.
bool in_range(const FileEvent& event) {
  return event.state <= FileState::not_stored && event.role <= FileRole::written &&
         (event.sha256.empty() || is_sha256(event.sha256));
}
bool in_range(const CrashEvent& event) {
  return event.state.registers.size() <= std::size(kRegisterNames);
}
bool in_range(const ClosedEvent& event) {
  return event.reason <= EndReason::not_recorded;
}
bool in_range(const Alert& alert) {
  return alert.action <= AlertAction::cut && alert.confidence <= Confidence::exact && alert.role <= AlertRole::writer;
}
bool in_range(const RuleHit& hit) {
  return hit.grade <= RuleGrade::generic && hit.action <= HitAction::switched;
}

}  // namespace

Bytes encode(const OpenedEvent& event) {
  return encode_any(event);
}
Bytes encode(const ConnectedEvent& event) {
  return encode_any(event);
}
Bytes encode(const OriginEvent& event) {
  return encode_any(event);
}
Bytes encode(const ServedEvent& event) {
  return encode_any(event);
}
Bytes encode(const ProcessEvent& event) {
  return encode_any(event);
}
Bytes encode(const NoteEvent& event) {
  return encode_any(event);
}
Bytes encode(const FileEvent& event) {
  return encode_any(event);
}
Bytes encode(const CrashEvent& event) {
  return encode_any(event);
}
Bytes encode(const ClosedEvent& event) {
  return encode_any(event);
}
Bytes encode(const Alert& alert) {
  return encode_any(alert);
}
Bytes encode(const RuleHit& hit) {
  return encode_any(hit);
}

template <typename Event>
std::optional<Event> decode(ByteView payload) {
  In in(payload);
  Event event;
  fields(in, event);
  if (!in.whole() || !in_range(event)) return std::nullopt;
  return event;
}

template std::optional<OpenedEvent> decode(ByteView);
template std::optional<ConnectedEvent> decode(ByteView);
template std::optional<OriginEvent> decode(ByteView);
template std::optional<ServedEvent> decode(ByteView);
template std::optional<ProcessEvent> decode(ByteView);
template std::optional<NoteEvent> decode(ByteView);
template std::optional<FileEvent> decode(ByteView);
template std::optional<CrashEvent> decode(ByteView);
template std::optional<ClosedEvent> decode(ByteView);
template std::optional<Alert> decode(ByteView);
template std::optional<RuleHit> decode(ByteView);

}  // namespace skep::formats
