// Fills the flat table of model/signature_table.h, within its limits. Every error leaves the table unfit for use:
// nothing of it is to be taken then.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/result.h"
#include "formats/signature_file.h"
#include "match/bindings.h"
#include "match/values.h"
#include "model/signature_table.h"

namespace skep::match {

class TableWriter {
 public:
  TableWriter(uint32_t generation, const PathResolver& resolve);

  // Returns its index. `slots`: bit n: it holds for service n.
  Result<uint16_t> add_signature(const formats::Signature& signature, uint64_t slots);
  // Step, weight or gate `number` of the signature, for one call.
  struct Step {
    uint16_t signature;
    skep_role role;
    size_t number;
    uint16_t call;
    uint8_t stage;
  };
  // Where `condition` holds, its fields known ones.
  Status add_step(const Step& step, const formats::Disjunction& condition, const std::vector<Binding>& bindings);
  // Where `signature` holds, it adds to evidence.
  Status add_feed(uint16_t signature, skep_feed feed);
  // The table, once all is in it.
  Result<std::unique_ptr<skep_table>> finish();

 private:
  Status add_evidence(const formats::Signature& signature, skep_signature& s);
  Status add_conjunction(const formats::Conjunction& all, const std::vector<Binding>& bindings, skep_table_step& step);
  Status set_value(const formats::Predicate& predicate, const Field& field, skep_predicate& p);
  Status set_list(const formats::Predicate& predicate, const Field& field, skep_predicate& p);
  Status set_networks(const formats::Predicate& predicate, skep_predicate& p);
  Status fill_runs();
  Status fill_feeds();

  const PathResolver& resolve_;
  std::unique_ptr<skep_table> table_;
  std::map<uint16_t, std::vector<uint16_t>> calls_;  // steps that look at each
  size_t steps_ = 0;
  size_t conjunctions_ = 0;
  size_t predicates_ = 0;
  size_t values_ = 0;
  size_t nets_ = 0;
  size_t slots_ = 0;
  size_t weights_ = 0;
  std::map<uint16_t, std::vector<skep_feed>> feeds_;  // by the signature that feeds
};

}  // namespace skep::match
