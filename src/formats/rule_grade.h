// How much a rule that fired says. "It fired" is not "it is known": the rules of 2004 fire on a new overflow's NOP
// sled, and to suppress that would hide what a honeypot is for. Functions of values; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "formats/rule.h"
#include "model/session.h"

namespace skep::formats {

using skep::RuleGrade;

// What the operator says instead. The narrowest counts: sid, then classtype, then file.
struct GradeOverrides {
  std::map<uint32_t, RuleGrade> by_sid;
  std::map<std::string, RuleGrade, std::less<>> by_classtype;
  std::map<std::string, RuleGrade, std::less<>> by_file;  // the path, as it was given
};

struct RuleGrading {
  RuleGrade grade = RuleGrade::generic;
  std::string why;
};

// Specific is what has a reference to a catalogue of holes (CVE, Bugtraq, Nessus, arachNIDS) or a worm's name, and no
// classtype that tells of a way instead of an attack; and only where some bytes must be there.
RuleGrading grade(const Rule& rule, std::string_view file, const GradeOverrides& overrides);

}  // namespace skep::formats
