#include "judge/enforcement.h"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/log.h"

namespace skep::judge {
namespace {

Result<std::vector<formats::SignatureSet>> parse_all(const std::vector<Enforcement::FileText>& files) {
  std::vector<formats::SignatureSet> sets;
  for (const Enforcement::FileText& file : files) {
    auto set = formats::parse_signature_file(file.path, file.content);
    if (!set) return tl::unexpected<Error>(set.error());
    sets.push_back(std::move(*set));
  }
  return sets;
}

// What evidence took from a signature that is in force no longer, nothing gives it any more.
void drop_dangling_weights(std::vector<formats::SignatureSet>& sets) {
  std::set<std::string> names;
  for (const formats::SignatureSet& set : sets) {
    for (const formats::Signature& signature : set.signatures) names.insert(signature.name);
  }
  for (formats::SignatureSet& set : sets) {
    for (formats::Signature& signature : set.signatures) {
      std::erase_if(signature.weights, [&](const formats::EvidenceWeight& weight) {
        return !weight.signature.empty() && !names.contains(weight.signature);
      });
    }
  }
}

}  // namespace

Status Enforcement::apply(const std::vector<formats::SignatureSet>& sets, const ServiceBook& services) {
  match::CompileContext context{services.compiled(), match::resolve_by_stat(), generation_ + 1};
  auto compiled = match::compile(sets, context);
  if (!compiled) return tl::unexpected<Error>(compiled.error());
  const auto* const bytes = reinterpret_cast<const char*>(compiled->table.get());
  if (::pwrite(table_memory_.get(), bytes, sizeof(skep_table), 0) != sizeof(skep_table))
    return fail_errno("write the signature table");
  if (auto set = watch_.set_table(); !set) return wrap("the former signatures stay in force", set);
  ++generation_;
  former_ = std::exchange(current_, std::move(compiled->signatures));
  sets_ = sets;
  return {};
}

Status Enforcement::begin(std::vector<formats::SignatureSet> sets,
                          const std::vector<formats::MonitoredService>& services) {
  for (const formats::MonitoredService& service : services) {
    if (auto slot = services_.add(service); !slot) return tl::unexpected<Error>(slot.error());
  }
  if (auto applied = apply(sets, services_); !applied) return applied;
  for (const ServiceBook::Entry& entry : services_.entries()) {
    const auto order = services_.order_for(entry.slot);
    if (!order) return tl::unexpected<Error>(order.error());
    if (auto set = watch_.set_service(*order); !set) return set;
  }
  return {};
}

Status Enforcement::add_signatures(const std::vector<FileText>& files) {
  auto fresh = parse_all(files);
  if (!fresh) return tl::unexpected<Error>(fresh.error());
  std::vector<formats::SignatureSet> sets = sets_;
  for (formats::SignatureSet& set : *fresh) {
    std::erase_if(sets, [&](const formats::SignatureSet& old) { return old.file == set.file; });
    sets.push_back(std::move(set));
  }
  return apply(sets, services_);
}

Status Enforcement::set_signatures(const std::vector<FileText>& files) {
  auto fresh = parse_all(files);
  if (!fresh) return tl::unexpected<Error>(fresh.error());
  return apply(*fresh, services_);
}

Status Enforcement::remove_signatures(const std::vector<std::string>& names) {
  std::vector<formats::SignatureSet> sets = sets_;
  for (const std::string& name : names) {
    size_t removed = std::erase_if(sets, [&](const formats::SignatureSet& set) { return set.file == name; });
    for (formats::SignatureSet& set : sets) {
      removed += std::erase_if(set.signatures, [&](const formats::Signature& s) { return s.name == name; });
    }
    if (removed == 0) return fail("no signature and no file is named '{}'", name);
  }
  drop_dangling_weights(sets);
  return apply(sets, services_);
}

Status Enforcement::add_services(const std::vector<FileText>& files) {
  for (const FileText& file : files) {
    const auto services = formats::parse_monitored_services(file.path, file.content);
    if (!services) return tl::unexpected<Error>(services.error());
    for (const formats::MonitoredService& service : *services) {
      if (!service.profile.empty())
        return fail("{}: profile: only in monitor.yaml; of a running monitor `skep hids profile set {} {}`",
                    service.name, service.name, service.profile);
      const auto slot = services_.add(service);
      if (!slot) return tl::unexpected<Error>(slot.error());
      Status done = apply(sets_, services_);
      const auto order = services_.order_for(*slot);
      if (done && !order) done = tl::unexpected<Error>(order.error());
      if (done) done = watch_.set_service(*order);
      if (!done) {
        services_.remove(service.name);
        if (auto restored = apply(sets_, services_); !restored) log::error("{}", restored.error().message);
        return done;
      }
    }
  }
  return {};
}

Status Enforcement::remove_services(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (auto removed = watch_.remove_service(name); !removed) return removed;
    services_.remove(name);
  }
  return apply(sets_, services_);
}

const match::SignatureInfo* Enforcement::signature(uint32_t generation, uint32_t index) const {
  const auto* const from = generation == generation_ ? &current_ : generation + 1 == generation_ ? &former_ : nullptr;
  return from != nullptr && index < from->size() ? &(*from)[index] : nullptr;
}

}  // namespace skep::judge
