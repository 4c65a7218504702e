#include "cli/archive_option.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "base/file.h"
#include "formats/options.h"

namespace skep::cli {

void ArchiveOption::add_to(CLI::App& app) {
  app.add_option("--archive", archive, "folder of the archive (else SKEP_ARCHIVE, else `archive:` of --config)");
  app.add_option("--config", config, "proxy.yaml that names the archive");
}

Result<std::string> ArchiveOption::folder() const {
  if (!archive.empty()) return archive;
  if (!config.empty()) {
    const auto text = read_file(config);
    if (!text) return tl::unexpected<Error>(text.error());
    const auto options = formats::parse_proxy_options(config, *text);
    if (!options) return tl::unexpected<Error>(options.error());
    return options->archive;
  }
  if (const char* from_environment = std::getenv("SKEP_ARCHIVE"); from_environment != nullptr)
    return std::string(from_environment);
  return fail("no archive named: give --archive DIR, SKEP_ARCHIVE or --config FILE");
}

}  // namespace skep::cli
