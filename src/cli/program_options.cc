#include "cli/program_options.h"

#include <CLI/CLI.hpp>

namespace skep::cli {

ProgramOptions parse_program_options(int argc, char** argv, const char* program, const char* purpose) {
  ProgramOptions options;
  CLI::App app(std::string(program) + ": " + purpose);
  app.set_version_flag("--version", std::string(program) + " 0.1.0");
  app.add_option("--config", options.config, "the options, YAML")->required();
  app.add_flag("--check", options.check, "say whether the options (and what they name) are usable, and exit");
  app.add_flag("--effective", options.effective, "print the options in force, defaults included, and exit");
  try {
    app.parse(argc, argv);
    options.go_on = true;
  } catch (const CLI::ParseError& e) {
    options.exit_code = app.exit(e) == 0 ? 0 : 2;
  }
  return options;
}

}  // namespace skep::cli
