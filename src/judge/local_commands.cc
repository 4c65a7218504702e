#include "judge/local_commands.h"

#include "base/log.h"
#include "base/text.h"
#include "wire/local.h"

namespace skep::judge {
namespace {

constexpr std::string_view kPhases[] = {"starting", "running", "ended", "removed"};
constexpr std::string_view kActions[] = {"observe", "deny", "kill"};

std::vector<Enforcement::FileText> files_of(const google::protobuf::RepeatedPtrField<wire::FileText>& files) {
  std::vector<Enforcement::FileText> texts;
  for (const wire::FileText& file : files) texts.push_back({file.path(), file.content()});
  return texts;
}

wire::LocalReply reply_of(const Status& status, std::string_view what) {
  wire::LocalReply reply;
  reply.set_ok(status.has_value());
  if (!status) {
    reply.set_error(status.error().message);
    log::warning("{} refused: {}", what, status.error().message);
  } else {
    log::info("{} in force", what);
  }
  return reply;
}

wire::LocalReply list_signatures(const Enforcement& enforcement) {
  wire::LocalReply reply;
  reply.set_ok(true);
  std::string last;
  for (const match::SignatureInfo& info : enforcement.signatures()) {
    if (info.name == last) continue;  // compiled twice: for launched and for adopted services
    last = info.name;
    JsonWriter json;
    json.begin_object()
        .field("name", info.name)
        .field("action", kActions[static_cast<size_t>(info.action)])
        .field("priority", info.priority);
    json.field("file", info.file).field("line", info.line).field("desc", info.description).key("tags").begin_array();
    for (const std::string& tag : info.tags) json.value(tag);
    reply.add_lines(json.end_array().end_object().take());
  }
  return reply;
}

wire::LocalReply list_services(const Enforcement& enforcement, const Profiles& profiles) {
  wire::LocalReply reply;
  reply.set_ok(true);
  for (const ServiceBook::Entry& entry : enforcement.services().entries()) {
    JsonWriter json;
    json.begin_object()
        .field("name", entry.options.name)
        .field("state", kPhases[entry.state.phase & 3])
        .field("pid", entry.state.pid);
    json.field("restarts", entry.state.restarts)
        .field("enforces", entry.state.enforces ? "deny, kill" : "kill, network hooks")
        .field("profile", profiles.state_of(entry.options.name))
        .key("ports")
        .begin_array();
    for (const uint16_t port : entry.options.ports) json.value(static_cast<unsigned>(port));
    reply.add_lines(json.end_array().end_object().take());
  }
  return reply;
}

// What a profile holds, in numbers.
std::string profile_line(std::string_view state, const formats::ServiceProfile& profile) {
  JsonWriter json;
  json.begin_object().field("service", profile.service).field("profile", state).field("sessions", profile.sessions);
  json.field("programs", profile.programs.size())
      .field("ports", profile.ports.size())
      .field("peers", profile.peers.size())
      .field("folders_written", profile.folders_written.size());
  json.field("files_read", profile.files_read.size())
      .field("folders_read", profile.folders_read.size())
      .field("calls", profile.calls.size())
      .key("notes")
      .begin_array();
  for (const std::string& note : profile.notes) json.value(note);
  return json.end_array().end_object().take();
}

wire::LocalReply stop_learning(const std::string& service, Profiles& profiles, const std::function<void()>& drain) {
  const auto profile = profiles.stop(service, drain);
  if (!profile) return wire::refusal(profile.error().message);
  wire::LocalReply reply;
  reply.set_ok(true);
  reply.set_document(formats::profile_yaml(*profile));
  reply.add_lines(profile_line("learned", *profile));
  return reply;
}

wire::LocalReply hold_profile(const wire::ProfileRequest& wanted, Profiles& profiles) {
  const auto profile = formats::parse_profile_file(wanted.file().path(), wanted.file().content());
  if (!profile) return wire::refusal(profile.error().message);
  wire::LocalReply reply = reply_of(profiles.hold(wanted.service(), *profile), "profile");
  if (reply.ok()) reply.add_lines(profile_line("held", *profile));
  return reply;
}

wire::LocalReply answer_profile(const wire::ProfileRequest& wanted, Profiles& profiles,
                                const std::function<void()>& drain) {
  const std::string& service = wanted.service();
  Status done;
  switch (wanted.verb()) {
    case wire::ProfileRequest::STOP:
      return stop_learning(service, profiles, drain);
    case wire::ProfileRequest::HOLD:
      return hold_profile(wanted, profiles);
    case wire::ProfileRequest::START:
      done = profiles.start(service, static_cast<int64_t>(wanted.span_ns()));
      break;
    default:
      done = profiles.remove(service);
  }
  wire::LocalReply reply = reply_of(done, wanted.verb() == wire::ProfileRequest::START ? "learning" : "removal");
  JsonWriter json;
  json.begin_object().field("service", service).field("profile", profiles.state_of(service)).end_object();
  if (reply.ok()) reply.add_lines(json.take());
  return reply;
}

}  // namespace

wire::LocalReply answer_local(const wire::LocalRequest& request, Enforcement& enforcement, Profiles& profiles,
                              const std::function<std::string()>& status, const std::function<void()>& drain) {
  if (request.has_status()) {
    wire::LocalReply reply;
    reply.set_ok(true);
    reply.add_lines(status());
    return reply;
  }
  if (request.has_signatures()) {
    const wire::SignaturesRequest& wanted = request.signatures();
    const std::vector<std::string> names(wanted.names().begin(), wanted.names().end());
    switch (wanted.verb()) {
      case wire::SignaturesRequest::ADD:
        return reply_of(enforcement.add_signatures(files_of(wanted.files())), "signatures added");
      case wire::SignaturesRequest::SET:
        return reply_of(enforcement.set_signatures(files_of(wanted.files())), "signature set");
      case wire::SignaturesRequest::REMOVE:
        return reply_of(enforcement.remove_signatures(names), "signatures removed");
      default:
        return list_signatures(enforcement);
    }
  }
  if (request.has_services()) {
    const wire::ServicesRequest& wanted = request.services();
    const std::vector<std::string> names(wanted.names().begin(), wanted.names().end());
    switch (wanted.verb()) {
      case wire::ServicesRequest::ADD:
        return reply_of(enforcement.add_services(files_of(wanted.files())), "service added");
      case wire::ServicesRequest::REMOVE:
        for (const std::string& name : names) profiles.forget(name);
        return reply_of(enforcement.remove_services(names), "service removed");
      default:
        return list_services(enforcement, profiles);
    }
  }
  if (request.has_profile()) return answer_profile(request.profile(), profiles, drain);
  wire::LocalReply reply;
  reply.set_ok(false);
  reply.set_error("skep-monitor does not know this request");
  return reply;
}

}  // namespace skep::judge
