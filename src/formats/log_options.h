// `log: {format: text|json, level: debug|info|warning|error}` of both programs.
#pragma once

#include "base/log.h"
#include "formats/yaml.h"

namespace skep::formats {

// Reads the map under `log:`, where it is there.
void read_log(YamlMap& map, log::Options& options);
void emit_log(YAML::Emitter& out, const log::Options& options);

}  // namespace skep::formats
