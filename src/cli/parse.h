// CLI11 under our rules: --help exits 0, unusable words exit 2 with a line on stderr.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>

#include "cli/command.h"

namespace skep::cli {

// nullopt: go on; else the exit code.
inline std::optional<int> parse(CLI::App& app, Words words) {
  try {
    app.parse(static_cast<int>(words.size()), words.data());
    return std::nullopt;
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
}

}  // namespace skep::cli
