// skep: the operator's command.
#include "cli/command.h"

int main(int argc, char** argv) {
  return skep::cli::run_skep(argc, argv);
}
