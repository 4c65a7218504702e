#include "archive/disk_stage.h"

#include <gtest/gtest.h>

namespace skep::archive {
namespace {

TEST(DiskStageTest, EachStageBeginsAndEndsWhereItIsSaid) {
  using enum DiskStage;
  struct Row {
    const char* description;
    DiskStage now;
    uint64_t free;
    bool droppable;
    DiskStage next;
  };
  // Of 1,000 that are low.
  for (const Row& row : {
           Row{"room enough", roomy, 1000, true, roomy},
           Row{"low", roomy, 999, true, dropping},
           Row{"far down, but harmless sessions are left", roomy, 400, true, dropping},
           Row{"far down, and none is left", dropping, 499, false, tagged_only},
           Row{"the dropping does not come along", dropping, 124, true, tagged_only},
           Row{"nearly none", tagged_only, 249, false, metadata_only},
           Row{"the very end, whatever is left", roomy, 60, true, metadata_only},
           Row{"a little more is no end", metadata_only, 300, false, metadata_only},
           Row{"a quarter more is", metadata_only, 313, false, tagged_only},
           Row{"nor of tagged-only", tagged_only, 600, false, tagged_only},
           Row{"tagged-only ends", tagged_only, 625, false, dropping},
           Row{"nor of dropping", dropping, 1249, true, dropping},
           Row{"all is well", dropping, 1250, true, roomy},
           Row{"from the last to the first", metadata_only, 5000, false, roomy},
       })
    EXPECT_EQ(next_stage(row.now, row.free, 1000, row.droppable), row.next) << row.description;
}

TEST(DiskStageTest, ASmallDiskIsLowAtAnEighth) {
  EXPECT_EQ(low_room({0, 1 << 30}, 1 << 20, 1), 8u << 20);
  EXPECT_EQ(low_room({0, 1 << 30}, 1 << 20, 20), 20u << 20);
  EXPECT_EQ(low_room({0, 16 << 20}, 1 << 20, 20), 2u << 20);
}

}  // namespace
}  // namespace skep::archive
