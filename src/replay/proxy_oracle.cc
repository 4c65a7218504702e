#include "replay/proxy_oracle.h"

#include "formats/event_codec.h"
#include "wire/local.h"

namespace skep::replay {
namespace {

constexpr int kAskTimeoutMs = 5000;

Result<wire::WatchReply> ask(const std::string& socket, const wire::WatchRequest& watch) {
  wire::LocalRequest request;
  *request.mutable_watch() = watch;
  auto reply = wire::ask(socket, request, kAskTimeoutMs);
  if (!reply) return tl::unexpected<Error>(reply.error());
  if (!reply->ok()) return tl::unexpected<Error>(Error{reply->error(), reply->code()});
  return reply->watch();
}

}  // namespace

Result<uint64_t> ProxyOracle::watch(const Endpoint& own, const Endpoint& target) {
  wire::WatchRequest request;
  request.set_verb(wire::WatchRequest::OPEN);
  request.set_own(to_string(own));
  request.set_target(to_string(target));
  const auto reply = ask(socket_, request);
  if (!reply) return tl::unexpected<Error>(reply.error());
  return reply->number();
}

Result<Oracle::Seen> ProxyOracle::seen(uint64_t number) {
  wire::WatchRequest request;
  request.set_verb(wire::WatchRequest::SEEN);
  request.set_number(number);
  const auto reply = ask(socket_, request);
  if (!reply) return tl::unexpected<Error>(reply.error());
  Seen seen;
  seen.served_by_pid = reply->served_by_pid();
  seen.supervised = reply->supervised();
  for (const std::string& bytes : reply->alerts()) {
    auto alert = formats::decode<Alert>(as_bytes(bytes));
    if (!alert) return fail("{}: an alert that is none: skep and skep-proxy are of different versions", socket_);
    seen.alerts.push_back(std::move(*alert));
  }
  return seen;
}

// One that cannot be told is forgotten by itself.
void ProxyOracle::over(uint64_t number) {
  wire::WatchRequest request;
  request.set_verb(wire::WatchRequest::OVER);
  request.set_number(number);
  [[maybe_unused]] const auto reply = ask(socket_, request);
}

}  // namespace skep::replay
