#include "judge/option_files.h"

#include "base/file.h"
#include "base/log.h"
#include "match/builtin.h"

namespace skep::judge {

Result<std::vector<formats::SignatureSet>> load_signatures(const formats::MonitorOptions& options) {
  std::vector<formats::SignatureSet> sets;
  if (options.builtin_signatures) {
    auto set = formats::parse_signature_file(match::kBuiltinName, std::string(match::builtin_yaml()));
    if (!set) return tl::unexpected<Error>(set.error());
    sets.push_back(std::move(*set));
    return sets;
  }
  for (const std::string& pattern : options.signatures) {
    for (const std::string& path : expand_glob(pattern)) {
      const auto text = read_file(path);
      if (!text) return tl::unexpected<Error>(text.error());
      auto set = formats::parse_signature_file(path, *text);
      if (!set) return tl::unexpected<Error>(set.error());
      sets.push_back(std::move(*set));
    }
  }
  if (sets.empty()) log::warning("no signature file was found: nothing is refused and nothing is alerted");
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
