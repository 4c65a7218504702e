// A page of docs/ as the tests read it: its sections, the rows of its tables and its fenced blocks, so that what a page
// shows is what the code does. For tests alone: only they are told SKEP_SOURCE_DIR (cmake/Layers.cmake). Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/text.h"

namespace skep {

// A file of the source tree, "docs/formats/segment.md"; "" where it cannot be read, in which no test finds what it
// wants.
inline std::string source_text(const std::string& name) {
  return read_file(std::string(SKEP_SOURCE_DIR) + "/" + name).value_or("");
}

// What stands under "## HEADING", up to the next heading of that rank.
inline std::string section(const std::string& page, const std::string& heading) {
  const size_t start = page.find("\n## " + heading + "\n");
  if (start == std::string::npos) return "";
  return page.substr(start + 1, page.find("\n## ", start + 1) - start);
}

// The blocks between ```LANGUAGE and ```, in order; the whole word after the fence counts.
inline std::vector<std::string> fenced_blocks(const std::string& page, std::string_view language) {
  std::vector<std::string> blocks;
  bool inside = false;
  bool wanted = false;
  for (const std::string_view line : split(page, '\n')) {
    if (line.starts_with("```")) {
      wanted = !inside && line.substr(3) == language;
      inside = !inside;
      if (wanted) blocks.emplace_back();
    } else if (inside && wanted) {
      blocks.back() += std::string(line) + "\n";
    }
  }
  return blocks;
}

// The rows of every table, header and rule left out, as their trimmed cells.
inline std::vector<std::vector<std::string>> table_rows(const std::string& page) {
  std::vector<std::vector<std::string>> rows;
  bool header = true;
  for (const std::string_view line : split(page, '\n')) {
    if (!line.starts_with("| ")) {
      header = header || !line.starts_with("|");  // the rule under a header ends it
      if (line.starts_with("|-")) header = false;
      continue;
    }
    if (header) continue;
    std::vector<std::string> cells;
    for (const std::string_view cell : split(line.substr(1, line.rfind('|') - 1), '|')) cells.emplace_back(trim(cell));
    rows.push_back(std::move(cells));
  }
  return rows;
}

// The bytes of a block of two-digit groups; what stands behind a '#' explains them. Anything else ends the test's
// program.
inline Bytes bytes_of_hex(const std::string& block) {
  Bytes bytes;
  for (const std::string_view line : split(block, '\n')) {
    for (const std::string_view group : split(trim(line.substr(0, line.find('#'))), ' ')) {
      if (group.empty()) continue;
      size_t digits = 0;
      bytes.push_back(static_cast<uint8_t>(std::stoul(std::string(group), &digits, 16)));
      SKEP_CHECK(digits == 2 && group.size() == 2);
    }
  }
  return bytes;
}

}  // namespace skep
