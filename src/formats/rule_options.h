// The options of one payload rule, from their text to what they mean. One table: name -> reader. An option that is not
// in it refuses the rule, for it might be what keeps the rule from matching too much; only those that are known to say
// nothing about bytes are passed over. Values only; any thread.
#pragma once

#include "formats/rule.h"
#include "formats/rule_text.h"

namespace skep::formats {

// Where a buffer is named: behind the content (`content:"x"; http_uri;`: Suricata and Snort 2) or before it (Snort 3,
// with the same names). The newer names of Suricata (`http.uri`) say by themselves that they stand before.
enum class RuleDialect : uint8_t { unclear, behind, before };
RuleDialect dialect_of(const RuleText& text);

// `unclear` is read as `behind`. Errors: "option: why", the first that is not understood.
Status read_options(const RuleText& text, RuleDialect dialect, Rule& rule);

// What `flow` says alone, and whether an option looks at what a server sends: enough to know whose rule it is, before
// all the rest is understood.
RuleFlow::Direction direction_of(const RuleText& text);
// 0 where there is none.
uint32_t sid_of(const RuleText& text);

// The name that says by itself to stand before: "http.uri".
std::string_view buffer_name(RuleBuffer buffer);
std::string_view transform_name(Transform transform);

}  // namespace skep::formats
