// The records that one request adds to the store are limited, whatever they are for: everybody
// waits while the commit thread writes them.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/time_util.h"
#include "gtest/gtest.h"
#include "server/core/publish/publish_request.h"
#include "tests/server/route_rig.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using google::protobuf::util::TimeUtil;
using testing::AllOf;
using testing::HasSubstr;
using testing::SizeIs;
using v1::ErrorDetail;

constexpr int kMost = static_cast<int>(kMaxRequestRecords);

class RequestRecordsTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_THAT(rig_.Open(), IsOk()); }

  void Create(const std::string& name, uint32_t partitions, bool deduplicates, bool keeps_latest) {
    v1::Topic topic;
    topic.set_name(name);
    topic.set_partitions(partitions);
    if (deduplicates) {
      *topic.mutable_deduplication_window() = TimeUtil::SecondsToDuration(60);
    }
    if (keeps_latest) topic.mutable_retention()->mutable_latest_per_key();
    ASSERT_THAT(rig_.Create(topic), IsOk());
  }

  static std::vector<v1::Event> Distinct(int count, bool keyed = false, bool delayed = false) {
    std::vector<v1::Event> events;
    for (int i = 0; i < count; ++i) {
      events.push_back(MakeEvent(absl::StrCat(i), keyed ? absl::StrCat(i) : ""));
      if (delayed) *events.back().mutable_deliver_after() = TimeUtil::SecondsToDuration(60);
    }
    return events;
  }

  static auto TooMany() {
    return AllOf(Refused(StatusCode::kResourceExhausted, ErrorDetail::REASON_TOO_MANY_COPIES),
                 StatusIs(StatusCode::kResourceExhausted, absl::StrCat("may add ", kMost)));
  }

  RouteRig rig_;
};

TEST_F(RequestRecordsTest, IdentitiesAreLimited) {
  Create("t", 1, /*deduplicates=*/true, /*keeps_latest=*/false);
  EXPECT_THAT(rig_.PublishEvents("t", Distinct(kMost)), TooMany()) << "and one for the partition";
  EXPECT_THAT(rig_.Ids("t"), SizeIs(0));
  EXPECT_THAT(rig_.PublishEvents("t", Distinct(kMost - 10)), IsOk());
  EXPECT_THAT(rig_.Ids("t"), SizeIs(kMost - 10));
}

TEST_F(RequestRecordsTest, LatestEventsOfKeysAreLimited) {
  Create("t", 1, /*deduplicates=*/false, /*keeps_latest=*/true);
  EXPECT_THAT(rig_.PublishEvents("t", Distinct(kMost, /*keyed=*/true)), TooMany());
  EXPECT_THAT(rig_.PublishEvents("t", Distinct(kMost - 10, /*keyed=*/true)), IsOk());
}

TEST_F(RequestRecordsTest, DelayedEventsAreLimited) {
  Create("t", 1, /*deduplicates=*/false, /*keeps_latest=*/false);
  EXPECT_THAT(rig_.PublishEvents("t", Distinct(kMost + 1, false, /*delayed=*/true)), TooMany());
  EXPECT_THAT(rig_.PublishEvents("t", Distinct(kMost, false, /*delayed=*/true)), IsOk());
}

TEST_F(RequestRecordsTest, PartitionsAreLimited) {
  Create("t", 3 * kMost, /*deduplicates=*/false, /*keeps_latest=*/false);
  EXPECT_THAT(rig_.PublishEvents("t", Distinct(2 * kMost, /*keyed=*/true)), TooMany());
  EXPECT_THAT(rig_.PublishEvents("t", Distinct(kMost / 2, /*keyed=*/true)), IsOk());
}

TEST_F(RequestRecordsTest, EventsOfOnePartitionAreNot) {
  Create("t", 1, /*deduplicates=*/false, /*keeps_latest=*/false);
  EXPECT_THAT(rig_.PublishEvents("t", Distinct(2 * kMost, /*keyed=*/true)), IsOk());
}

TEST_F(RequestRecordsTest, RecordsOfCopiesCount) {
  Create("t", 1, /*deduplicates=*/false, /*keeps_latest=*/false);
  for (const char* const target : {"a", "b"}) {
    Create(target, 1, /*deduplicates=*/false, /*keeps_latest=*/true);
    ASSERT_THAT(rig_.CreateRoute(target, "t", {target}), IsOk());
  }
  EXPECT_THAT(rig_.PublishEvents("t", Distinct(kMost / 2, /*keyed=*/true)), TooMany());
  EXPECT_THAT(rig_.PublishEvents("t", Distinct(kMost / 2 - 10, /*keyed=*/true)), IsOk());
}

TEST_F(RequestRecordsTest, AppendsOfTransactionAreLimitedTogether) {
  Create("t", 1, /*deduplicates=*/true, /*keeps_latest=*/false);
  Create("u", 1, /*deduplicates=*/true, /*keeps_latest=*/false);
  const auto transact = [&](int events) {
    v1::TransactRequest request;
    for (const char* const topic : {"t", "u"}) {
      v1::TransactAppend& append = *request.add_appends();
      append.set_topic(topic);
      for (const v1::Event& event : Distinct(events)) *append.add_events() = event;
    }
    const auto parsed = ParseTransaction(SharedBytes::Copy(request.SerializeAsString()));
    std::promise<absl::Status> outcome;
    rig_.broker().transactions().Transact(kTester, *parsed,
                                          [&](auto r) { outcome.set_value(r.status()); });
    return outcome.get_future().get();
  };
  EXPECT_THAT(transact(kMost / 2), TooMany());
  EXPECT_THAT(rig_.Ids("t"), SizeIs(0));
  EXPECT_THAT(transact(kMost / 2 - 10), IsOk());
}

}  // namespace
}  // namespace eventhub
