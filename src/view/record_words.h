// One record, one alert: as JSON and as words. Attackers' bytes come out escaped (in JSON: in base64).
#pragma once

#include <string>

#include "base/text.h"
#include "formats/segment.h"
#include "view/session_evidence.h"

namespace skep::view {

// An object; `evidence` nullptr: what was kept with the alert is left out.
void alert_json(JsonWriter& json, const Alert& alert, const SessionEvidence* evidence);
void rule_hit_json(JsonWriter& json, const RuleHit& hit);
// An object {time, event, …}: as in the `events` of `skep session show --json`.
void record_json(JsonWriter& json, const formats::Record& record);
// An object.
void figures_json(JsonWriter& json, const TcpFigures& figures);

// One line, without its end.
std::string alert_comment(const Alert& alert);
std::string rule_hit_comment(const RuleHit& hit);
std::string figures_text(const TcpFigures& figures);
// Lines.
std::string record_text(const formats::Record& record);
// 16 bytes a line: offset, hex and printable text.
std::string hex_dump(ByteView bytes, uint64_t offset);

}  // namespace skep::view
