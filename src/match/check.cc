#include "match/check.h"

#include <algorithm>

#include "match/intercepts.h"
#include "match/signature_sets.h"

namespace skep::match {
namespace {

// A signature may name services that only monitor.yaml knows. Where none does, there is one all the same.
std::vector<CompiledService> services_of(const std::vector<formats::SignatureSet>& sets) {
  const std::vector<uint16_t> usual(base_intercepts().begin(), base_intercepts().end());
  std::vector<CompiledService> services;
  for (const formats::SignatureSet& set : sets) {
    for (const formats::Signature& signature : set.signatures) {
      for (const std::string& name : signature.services) {
        const bool known = std::any_of(services.begin(), services.end(),
                                       [&](const CompiledService& service) { return service.name == name; });
        if (!known && services.size() < SKEP_SERVICES_MAX)
          services.push_back({name, static_cast<uint32_t>(services.size()), true, usual});
      }
    }
  }
  if (services.empty()) services.push_back({"service", 0, true, usual});
  return services;
}

}  // namespace

Result<CheckedFiles> check_files(const std::vector<std::string>& paths) {
  auto sets = read_signature_files(paths);
  if (!sets) return tl::unexpected<Error>(sets.error());
  CompileContext context;
  context.resolve = resolve_nothing();
  context.services = services_of(*sets);
  auto compiled = compile(*sets, context);
  if (!compiled) return tl::unexpected<Error>(compiled.error());
  CheckedFiles checked{std::move(*sets), std::move(*compiled), {}};
  auto tests = run_tests(checked.sets, checked.compiled, context.services);
  if (!tests) return tl::unexpected<Error>(tests.error());
  checked.tests = std::move(*tests);
  return checked;
}

Status check_for(const formats::MonitorOptions& options) {
  const auto sets = signatures_of(options);
  if (!sets) return tl::unexpected<Error>(sets.error());
  CompileContext context;
  context.resolve = resolve_by_stat();
  for (const formats::MonitoredService& service : options.services) {
    const auto intercepts = intercepts_of(service.intercept);
    if (!intercepts) return wrap(service.name, intercepts);
    const bool launched = !service.command.empty();
    context.services.push_back({service.name, static_cast<uint32_t>(context.services.size()), launched,
                                launched ? *intercepts : std::vector<uint16_t>{}});
  }
  if (auto compiled = compile(*sets, context); !compiled) return tl::unexpected<Error>(compiled.error());
  return validate_tests(*sets);
}

}  // namespace skep::match
