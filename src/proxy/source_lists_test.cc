#include "proxy/source_lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/file.h"
#include "base/folder.h"
#include "formats/outgoing.h"

namespace skep::proxy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SourceListsTest : public testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) {
    const std::string path = folder_.path() + "/" + name;
    EXPECT_TRUE(write_file(path, text));
    return path;
  }
  static SourceLists::Found find(const SourceLists& lists, const std::string& address) {
    return lists.find(*parse_endpoint(address));
  }
  const Folder folder_ = std::move(*Folder::make());
};

TEST_F(SourceListsTest, TheFirstListThatHasASourceHasIt) {
  formats::FilterOptions options;
  options.sources = {
      {file("a", "# scanners\n198.51.100.0/24 ; a crowd\n2001:db8::/32\n"), "a", formats::SourceAction::drop},
      {file("b", "198.51.0.0/16\n203.0.113.7\n\n255.255.255.255\n"), "b", formats::SourceAction::tag}};
  options.allow = {"198.51.100.9", file("ours", "2001:db8:1::/48")};
  const auto lists = SourceLists::read(options);
  ASSERT_TRUE(lists) << lists.error().message;
  struct Row {
    const char* address;
    bool allowed;
    std::optional<size_t> list;
  };
  for (const Row& row :
       {Row{"198.51.100.8", false, 0}, Row{"198.51.100.9", true, {}}, Row{"198.51.100.10", false, 0},
        Row{"198.51.101.0", false, 1}, Row{"198.51.99.255", false, 1}, Row{"198.50.255.255", false, {}},
        Row{"198.52.0.0", false, {}}, Row{"203.0.113.7", false, 1}, Row{"203.0.113.8", false, {}},
        Row{"255.255.255.255", false, 1}, Row{"2001:db8::1", false, 0}, Row{"2001:db8:1::1", true, {}},
        Row{"2001:db8:2::1", false, 0}, Row{"2001:db9::", false, {}}, Row{"0.0.0.0", false, {}}}) {
    EXPECT_EQ(find(*lists, row.address).allowed, row.allowed) << row.address;
    EXPECT_EQ(find(*lists, row.address).list, row.list) << row.address;
  }
  EXPECT_EQ(lists->lists()[1].networks, 3u);
  EXPECT_EQ(rule_name(lists->hit(0)), "0:1");
  EXPECT_EQ(lists->hit(0).action, HitAction::dropped);
  EXPECT_EQ(lists->hit(1).grade, RuleGrade::generic);
}

TEST_F(SourceListsTest, BadLinesAreNamedAndTheRestHolds) {
  formats::FilterOptions options;
  const std::string path = file("a", "198.51.100.0/24\nnonsense\n198.51.100.0/33\n10.0.0.1\n");
  options.sources = {{path, "a", formats::SourceAction::drop}};
  const auto lists = SourceLists::read(options);
  ASSERT_TRUE(lists);
  EXPECT_THAT(lists->bad(), ElementsAre(path + ":2: 'nonsense' is no address or network",
                                        path + ":3: '198.51.100.0/33' is no address or network"));
  EXPECT_EQ(find(*lists, "10.0.0.1").list, 0u);
}

TEST_F(SourceListsTest, AFileThatIsNotThereIsAnError) {
  formats::FilterOptions options;
  options.sources = {{folder_.path() + "/none", "scanners", formats::SourceAction::drop}};
  const auto lists = SourceLists::read(options);
  ASSERT_FALSE(lists);
  EXPECT_THAT(lists.error().message, HasSubstr("scanners"));
}

// Against a look through all networks, one after the other.
TEST_F(SourceListsTest, OfRandomNetworksTheSameAsOneByOne) {
  std::mt19937 random(7);
  const auto address = [&] { return fmt::format("10.0.{}.{}", random() % 4, random() % 256); };
  formats::FilterOptions options;
  std::vector<std::vector<skep_net>> all(3);
  for (size_t list = 0; list < 3; ++list) {
    std::string text;
    for (int i = 0; i < 12; ++i) {
      const std::string net = fmt::format("{}/{}", address(), 20 + random() % 13);
      text += net + "\n";
      all[list].push_back(*formats::network_of(net));
    }
    options.sources.push_back(
        {file("list" + std::to_string(list), text), std::to_string(list), formats::SourceAction::tag});
  }
  const auto lists = SourceLists::read(options);
  ASSERT_TRUE(lists);
  for (unsigned i = 0; i < 1024; ++i) {
    const Endpoint source = *parse_endpoint(fmt::format("10.0.{}.{}", i / 256, i % 256));
    uint64_t halves[2];
    std::memcpy(halves, source.address.data(), sizeof halves);
    std::optional<size_t> expected;
    for (size_t list = 0; list < 3 && !expected; ++list) {
      for (const skep_net& net : all[list]) {
        if (skep_net_holds(&net, halves) != 0) expected = list;
      }
    }
    EXPECT_EQ(lists->find(source).list, expected) << to_string(source);
  }
}

}  // namespace
}  // namespace skep::proxy
