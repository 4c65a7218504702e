// Fills the flat table of model/signature_table.h, within its limits. Every error leaves the table unfit for use:
// nothing of it is to be taken then.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/result.h"
#include "formats/signature_file.h"
#include "match/values.h"
#include "model/signature_table.h"

namespace skep::match {

class TableWriter {
 public:
  TableWriter(uint32_t generation, const PathResolver& resolve);

  // Returns its index. `slots`: bit n: it holds for service n.
  Result<uint16_t> add_signature(const formats::Signature& signature, uint64_t slots);
  // Step `number` of the signature, for one call: where `condition` holds, its fields known ones.
  Status add_step(uint16_t signature, uint8_t number, uint16_t call, uint8_t stage,
                  const formats::Disjunction& condition);
  // The table, once all is in it.
  Result<std::unique_ptr<skep_table>> finish();

 private:
  Status add_conjunction(const formats::Conjunction& all, skep_table_step& step);
  Status set_value(const formats::Predicate& predicate, const Field& field, skep_predicate& p);
  Status set_list(const formats::Predicate& predicate, const Field& field, skep_predicate& p);
  Status set_networks(const formats::Predicate& predicate, skep_predicate& p);
  Status fill_runs();

  const PathResolver& resolve_;
  std::unique_ptr<skep_table> table_;
  std::map<uint16_t, std::vector<uint16_t>> calls_;  // steps that look at each
  size_t steps_ = 0;
  size_t conjunctions_ = 0;
  size_t predicates_ = 0;
  size_t values_ = 0;
  size_t nets_ = 0;
  size_t sequences_ = 0;
};

}  // namespace skep::match
