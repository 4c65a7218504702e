// skep rules scan: what payload rules say of the connections in a capture, by the matcher of skep-proxy.
#pragma once

#include <string>
#include <vector>

namespace skep::cli {

struct RulesScanOptions {
  std::vector<std::string> rules;  // files or shell patterns
  std::string pcap;                // "-": stdin
  bool json = false;
};
int scan_rules(const RulesScanOptions& options);

}  // namespace skep::cli
