// Ids of faults, which other programs compute, too.
#include "proto/wire/fault_id.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace eventhub::wire {
namespace {

TEST(FaultIdTest, IsStable) {
  // printf '1:s6:charge4:/src1:a0/0' | sha256sum | cut -c 1-32
  EXPECT_EQ(FaultId({.subscription = "s",
                     .pipeline = "charge",
                     .event_source = "/src",
                     .event_id = "a",
                     .partition = 0,
                     .offset = 0}),
            "8d8df94a728a415efd74ec7c57d4a73d");
}

TEST(FaultIdTest, EachPartDistinguishes) {
  const FaultPlace place{.subscription = "s",
                         .pipeline = "p",
                         .event_source = "c",
                         .event_id = "i",
                         .partition = 1,
                         .offset = 2};
  std::set<std::string> ids;
  const auto add = [&ids, place](auto change) {
    FaultPlace other = place;
    change(other);
    ids.insert(FaultId(other));
  };
  add([](FaultPlace&) {});
  add([](FaultPlace& other) { other.subscription = "t"; });
  add([](FaultPlace& other) { other.pipeline = ""; });
  add([](FaultPlace& other) { other.event_source = "ci", other.event_id = ""; });
  add([](FaultPlace& other) { other.event_source = "", other.event_id = "ci"; });
  add([](FaultPlace& other) { other.partition = 12; });
  add([](FaultPlace& other) { other.offset = 12; });
  EXPECT_EQ(ids.size(), 7u);
}

}  // namespace
}  // namespace eventhub::wire
