// The options are read again while sessions are under way. Everything that may fail comes first; what follows cannot.
#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "base/text.h"
#include "proxy/proxy.h"
#include "proxy/reload.h"

namespace skep::proxy {
namespace {

// Services that have been, and are no more, stay for the sessions that began with them.
constexpr size_t kServicesMax = 16'384;

bool source_kept(const formats::ProxyOptions& options) {
  return std::any_of(options.services.begin(), options.services.end(),
                     [](const formats::ServiceOptions& service) { return service.source_kept; });
}

}  // namespace

Result<std::string> Proxy::reload() {
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

Result<std::string> Proxy::take_options() {
  if (stopping_) return fail("it has been told to stop");
  auto next = reread_();
  if (!next) return tl::unexpected<Error>(next.error());
  OptionsChange change = compare(settings_->options, *next);
  if (!change.fixed.empty()) return fail("{}", refusal_of(change.fixed));
  if (source_kept(*next) && !source_kept_from_start_)
    return fail("`source: transparent` wants a capability that was given up at the start: restart it");
  if (settings_->services.size() + next->services.size() > kServicesMax)
    return fail("{} services have come and gone since the start: restart it", settings_->services.size());
  auto filters = make_filters(*next);
  if (!filters) return tl::unexpected<Error>(filters.error());
  auto opened = doors_.open(next->services);
  if (!opened && opened.error().code == EACCES)
    return fail("{}, which was given up at the start: restart skep-proxy", opened.error().message);
  if (!opened) return tl::unexpected<Error>(opened.error());
  const size_t listening = opened->all.size();
  say_filters(*filters);
  auto settings = next_settings(*settings_, *next, change.service_kept, std::move(*filters));
  if (auto done = put_in_force(std::move(settings), std::move(*opened)); !done)
    return tl::unexpected<Error>(done.error());
  JsonWriter json;
  json.begin_object().key("changed").begin_array();
  for (const std::string& key : change.keys) json.value(key);
  json.end_array().field("listening", static_cast<unsigned long>(listening));
  if (next->filter) json.field("rules", settings_->filter_figures.rules);
  return json.end_object().take();
}

// Shard by shard: meanwhile one may let in by the new options what another still does by the old ones.
Status Proxy::put_in_force(std::shared_ptr<const Settings> next, Doors::Opened opened) {
  settings_ = std::move(next);
  doors_.settle(opened);
  common_.limits->take_options(settings_->options);
  common_.switched->take_options(settings_->options);
  log::set_options(settings_->options.log);
  for (Listening& each : opened.all) each.service = settings_->current[each.service];
  std::string stuck;
  for (size_t i = 0; i < shards_.size(); ++i) {
    const auto fresh = std::make_shared<std::vector<std::pair<size_t, Fd>>>(std::move(opened.fresh[i]));
    auto taken = std::make_shared<Status>();
    const bool answered = ask(i, [settings = settings_, all = opened.all, fresh, taken](Shard& shard) {
      *taken = shard.take_settings(settings, all, fresh);
    });
    if (!answered) stuck += fmt::format(" shard {} does not answer;", i);
    if (answered && !*taken) stuck += fmt::format(" shard {}: {};", i, taken->error().message);
  }
  if (!stuck.empty()) return fail("they are in force, but not everywhere:{} restart it", stuck);
  return {};
}

}  // namespace skep::proxy
