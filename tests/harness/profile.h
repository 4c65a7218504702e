// The ready service profiles of deploy/services, as a test starts them: with paths, ports and files of its own.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "formats/options.h"

namespace skep::harness {

struct Profile {
  formats::MonitoredService service;
  std::vector<formats::AppGroup> groups;
};

// Read as skep-monitor reads monitor.yaml: a profile that would not load there is an error here.
Result<Profile> read_profile(const std::string& name);

// Lines under `services:` and `app_groups:` of monitor.yaml.
std::string service_yaml(const formats::MonitoredService& service);
std::string group_yaml(const formats::AppGroup& group);

}  // namespace skep::harness
