#include "judge/option_files.h"

#include "base/file.h"
#include "base/log.h"
#include "match/signature_sets.h"

namespace skep::judge {

Result<std::vector<formats::SignatureSet>> load_signatures(const formats::MonitorOptions& options) {
  auto sets = match::signatures_of(options);
  if (sets && sets->empty()) log::warning("no signature file was found: nothing is refused and nothing is alerted");
  return sets;
}

Result<std::vector<formats::ServiceProfile>> load_profiles(const formats::MonitorOptions& options) {
  std::vector<formats::ServiceProfile> profiles;
  for (const formats::MonitoredService& service : options.services) {
    if (service.profile.empty()) continue;
    const auto text = read_file(service.profile);
    if (!text) return tl::unexpected<Error>(text.error());
    auto profile = formats::parse_profile_file(service.profile, *text);
    if (!profile) return tl::unexpected<Error>(profile.error());
    if (profile->service != service.name)
      return fail("{}: it is the profile of '{}', not of '{}'", service.profile, profile->service, service.name);
    profiles.push_back(std::move(*profile));
  }
  return profiles;
}

}  // namespace skep::judge
