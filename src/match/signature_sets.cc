#include "match/signature_sets.h"

#include "base/file.h"
#include "match/builtin.h"

namespace skep::match {

Result<std::vector<formats::SignatureSet>> read_signature_files(const std::vector<std::string>& paths) {
  std::vector<formats::SignatureSet> sets;
  for (const std::string& path : paths) {
    const auto text = read_file(path);
    if (!text) return tl::unexpected<Error>(text.error());
    auto set = formats::parse_signature_file(path, *text);
    if (!set) return tl::unexpected<Error>(set.error());
    sets.push_back(std::move(*set));
  }
  return sets;
}

Result<std::vector<formats::SignatureSet>> signatures_of(const formats::MonitorOptions& options) {
  if (options.builtin_signatures) {
    auto set = formats::parse_signature_file(kBuiltinName, std::string(builtin_yaml()));
    if (!set) return tl::unexpected<Error>(set.error());
    return std::vector<formats::SignatureSet>{std::move(*set)};
  }
  std::vector<std::string> paths;
  for (const std::string& pattern : options.signatures) {
    for (const std::string& path : expand_glob(pattern)) paths.push_back(path);
  }
  return read_signature_files(paths);
}

}  // namespace skep::match
