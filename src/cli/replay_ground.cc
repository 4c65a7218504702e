#include "cli/replay_ground.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include "base/file.h"
#include "base/text.h"
#include "replay/recordings.h"

namespace skep::cli {
namespace {

std::atomic<bool> told_to_stop{false};
static_assert(std::atomic<bool>::is_always_lock_free, "it is set by a signal");

// Of several addresses the one that the session went to; else the first.
std::optional<Endpoint> address_of(const formats::ServiceOptions& service, const Subject& subject) {
  if (service.baits.empty()) return std::nullopt;
  if (subject.session) {
    for (const formats::Upstream& upstream : service.baits) {
      if (upstream.address.contains(subject.session->bait)) return subject.session->bait;
    }
    for (const formats::EndpointRange& range : service.listen) {
      const int offset = subject.session->entrance.port - range.first.port;
      if (offset >= 0 && offset < service.baits.front().address.ports)
        return service.baits.front().address.at(static_cast<uint16_t>(offset));
    }
  }
  return service.baits.front().address.first;
}

}  // namespace

const std::atomic<bool>& stop_flag() {
  static const bool listening = [] {
    struct sigaction stop {};
    stop.sa_handler = [](int) { told_to_stop = true; };
    stop.sa_flags = SA_RESETHAND;
    ::sigaction(SIGINT, &stop, nullptr);
    ::sigaction(SIGTERM, &stop, nullptr);
    return true;
  }();
  static_cast<void>(listening);
  return told_to_stop;
}

Result<ReplayGround> ReplayGround::open(const ArchiveOption& archive, const std::string& allow) {
  ReplayGround ground;
  if (!archive.config.empty()) {
    const auto text = read_file(archive.config);
    if (!text) return tl::unexpected<Error>(text.error());
    auto options = formats::parse_proxy_options(archive.config, *text);
    if (!options) return tl::unexpected<Error>(options.error());
    ground.targets_ = replay::Targets(options->replay);
    ground.options_ = std::move(*options);
  }
  if (!allow.empty()) {
    const auto text = read_file(allow);
    if (!text) return tl::unexpected<Error>(text.error());
    auto replay = formats::parse_replay_options(allow, *text);
    if (!replay) return tl::unexpected<Error>(replay.error());
    ground.targets_ = replay::Targets(*replay);
  }
  // Recordings of files do without an archive.
  const auto folder = archive.folder();
  if (!folder) {
    ground.no_reader_because_ = folder.error().message;
    return ground;
  }
  auto reader = archive::Reader::open(*folder);
  if (!reader) return tl::unexpected<Error>(reader.error());
  ground.reader_.emplace(std::move(*reader));
  return ground;
}

Result<std::vector<Subject>> ReplayGround::named(const std::string& word, const std::string& service) {
  const auto id = parse_session_id(word);
  if (!id || std::filesystem::exists(word)) {
    replay::FileRead read;
    auto recordings = replay::read_recordings(word, &read);
    if (!recordings) return tl::unexpected<Error>(recordings.error());
    for (const std::string& remark : read.remarks) std::fprintf(stderr, "skep replay: %s\n", printable(remark).c_str());
    std::vector<Subject> subjects;
    for (replay::Recording& each : *recordings) {
      Subject subject{each.name, {}, {}, service.empty() ? each.service : service};
      subject.recording = std::move(each);
      subjects.push_back(std::move(subject));
    }
    return subjects;
  }
  if (!reader_) return fail("{}", no_reader_because_);
  const auto session = reader_->find(*id);
  if (!session) return tl::unexpected<Error>(session.error());
  if (!*session) return fail("there is no session {}", word);
  return std::vector{Subject{word, **session, {}, (*session)->service}};
}

Result<std::vector<Subject>> ReplayGround::matching(const archive::Filter& filter) {
  if (!reader_) return fail("{}", no_reader_because_);
  const auto sessions = reader_->list(filter);
  if (!sessions) return tl::unexpected<Error>(sessions.error());
  std::vector<Subject> subjects;
  // What belongs to another session (FTP's data) is replayed with that.
  for (const archive::SessionSummary& each : *sessions) {
    if (each.parent.value == 0) subjects.push_back({to_string(each.id), each, {}, each.service});
  }
  return subjects;
}

Result<replay::Recording> ReplayGround::recording(const Subject& subject) {
  if (subject.recording) return *subject.recording;
  return replay::recording_of(*reader_, *subject.session);
}

Result<Endpoint> ReplayGround::bait_of(const Subject& subject) const {
  if (options_) {
    const auto service = std::find_if(options_->services.begin(), options_->services.end(),
                                      [&](const auto& each) { return each.name == subject.service; });
    if (service != options_->services.end()) {
      if (const auto address = address_of(*service, subject)) return *address;
    }
  }
  if (subject.session && subject.session->bait.port != 0) return subject.session->bait;
  if (subject.service.empty())
    return fail("the recording names no service: --service says at which bait it is tried first");
  return fail("no bait of service '{}' is known: --config FILE names the proxy's options", printable(subject.service));
}

Status ReplayGround::allows(const Endpoint& target, const std::vector<Subject>& subjects) const {
  for (const Subject& subject : subjects) {
    if (const auto bait = bait_of(subject); bait && *bait == target) return {};
  }
  const auto owner = targets_.owner_of(target);
  if (!owner) return tl::unexpected<Error>(owner.error());
  return {};
}

std::string ReplayGround::socket() const {
  if (options_ && !options_->socket.empty()) return options_->socket;
  return reader_ ? reader_->folder() + "/proxy.sock" : std::string();
}

}  // namespace skep::cli
