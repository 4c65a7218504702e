// The options are read again while sessions are under way. Everything that may fail comes first; what follows cannot.
#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "base/text.h"
#include "proxy/reload.h"
#include "proxy/shard.h"

namespace skep::proxy {
namespace {

// Services that have been, and are no more, stay for the sessions that began with them.
constexpr size_t kServicesMax = 16'384;
constexpr int kQueueTurns = 64;  // kAcceptsATurn each: what may wait at a listener that goes

bool source_kept(const formats::ProxyOptions& options) {
  return std::any_of(options.services.begin(), options.services.end(),
                     [](const formats::ServiceOptions& service) { return service.source_kept; });
}

}  // namespace

Result<std::string> Shard::reload() {
  systemd_.reloading(now_monotonic_ns());
  auto done = take_options();
  systemd_.ready();
  if (done) {
    log::info("options are read again: {}", *done);
  } else {
    log::error("options are as they were: {}", done.error().message);
  }
  return done;
}

// Reads and checks the file on the shard's own thread: some milliseconds, when somebody asks for it.
Result<std::string> Shard::take_options() {
  if (stopping_) return fail("it has been told to stop");
  auto next = reread_();
  if (!next) return tl::unexpected<Error>(next.error());
  OptionsChange change = compare(options_, *next);
  if (!change.fixed.empty()) return fail("{}", refusal_of(change.fixed));
  if (source_kept(*next) && !source_kept_from_start_)
    return fail("`source: transparent` wants a capability that was given up at the start: restart it");
  std::vector<Service> services = services_of(*next);
  if (services_.size() + services.size() > kServicesMax)
    return fail("{} services have come and gone since the start: restart it", services_.size());
  auto opened = open_listeners(services);
  if (!opened) return tl::unexpected<Error>(opened.error());
  put_in_force(std::move(*next), std::move(services), change.service_kept);
  point_listeners(*opened);
  JsonWriter json;
  json.begin_object().key("changed").begin_array();
  for (const std::string& key : change.keys) json.value(key);
  return json.end_array().field("listening", static_cast<unsigned long>(opened->size())).end_object().take();
}

// Of each port of each service, the number of its listener: that which is there, or a new one. An error leaves none of
// the new ones.
Result<std::vector<Shard::Listening>> Shard::open_listeners(const std::vector<Service>& services) {
  std::vector<Listening> all;
  const size_t before = listeners_.size();
  const auto give_up = [&](Error error) {
    listeners_.resize(before);
    return tl::unexpected<Error>(std::move(error));
  };
  for (size_t service = 0; service < services.size(); ++service) {
    const formats::ServiceOptions& options = services[service].options;
    for (const formats::EndpointRange& range : options.listen) {
      for (uint16_t offset = 0; offset < range.ports; ++offset) {
        auto listener = listener_at(range.at(offset), options.transparent);
        if (!listener) return give_up(wrap("service " + options.name, listener).value());
        all.push_back({*listener, service, offset});
      }
    }
  }
  return all;
}

Result<size_t> Shard::listener_at(const Endpoint& where, bool transparent) {
  for (size_t i = 0; i < listeners_.size(); ++i) {
    const Listener& listener = listeners_[i];
    if (!listener.socket || io::local_end(listener.socket.get()) != where) continue;
    if (services_[listener.service].options.transparent == transparent) return i;
    return fail("{}: `transparent` cannot change while it is listened on: restart skep-proxy", to_string(where));
  }
  auto socket = io::listen_tcp(where, transparent);
  if (!socket && socket.error().code == EACCES)
    return fail("{}, which was given up at the start: restart skep-proxy", socket.error().message);
  if (!socket) return tl::unexpected<Error>(socket.error());
  if (auto added = watch_listener(socket->get(), listeners_.size()); !added)
    return tl::unexpected<Error>(added.error());
  listeners_.push_back({std::move(*socket), kNoService, 0});
  return listeners_.size() - 1;
}

// A service that stands as it was keeps its number, and what it remembers; any other gets a new one, so that sessions
// find their own.
void Shard::put_in_force(formats::ProxyOptions next, std::vector<Service> services, const std::vector<bool>& kept) {
  std::vector<size_t> numbers;
  for (size_t i = 0; i < services.size(); ++i) {
    const auto same = std::find_if(current_.begin(), current_.end(), [&](size_t number) {
      return services_[number].options.name == services[i].options.name &&
             services_[number].is_parent == services[i].is_parent;
    });
    const bool stays = kept[i] && same != current_.end();
    numbers.push_back(stays ? *same : services_.size());
    if (!stays) services_.push_back(services[i]);
  }
  for (size_t i = 0; i < services.size(); ++i) {
    if (services[i].linked_to) services_[numbers[i]].linked_to = numbers[*services[i].linked_to];
  }
  current_ = std::move(numbers);
  options_ = std::move(next);
  limits_.take_options();
  log::set_options(options_.log);
}

void Shard::point_listeners(const std::vector<Listening>& wanted) {
  std::vector<bool> stays(listeners_.size(), false);
  for (const Listening& each : wanted) {
    stays[each.listener] = true;
    listeners_[each.listener].service = current_[each.service];
    listeners_[each.listener].offset = each.offset;
  }
  for (size_t i = 0; i < listeners_.size(); ++i) {
    Listener& listener = listeners_[i];
    if (stays[i] || !listener.socket) continue;
    // Those who wait in its queue were let in by the kernel: they are sessions, not resets.
    for (int turn = 0; turn < kQueueTurns && accept_all(listener); ++turn) {
    }
    listener.socket.reset();
  }
}

}  // namespace skep::proxy
