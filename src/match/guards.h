// The guards of a table: of each call what its registers, its result and the first bytes of what it wrote must be like,
// so that one of its steps can match after it has returned. Most returns end there, before anything else is gathered.
#pragma once

#include "model/signature_table.h"

namespace skep::match {

// Of a table that is otherwise whole. A call of which a step may match whatever these are like has no guards, nor has
// one that would want more than SKEP_CALL_GUARDS_MAX, or for which there is no room: that costs time, and nothing else.
void fill_guards(skep_table& table);

}  // namespace skep::match
