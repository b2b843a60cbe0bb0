// How the caller learns what became of its events: callbacks, futures, places.

#include "eventhub/partition.h"
#include "tests/client/publisher_fixture.h"

namespace eventhub::client {
namespace {

TEST_F(PublisherTest, FuturesAndTheBatchHandlerGetResults) {
  size_t events = 0;
  Start({.topic = "t", .on_batch_done = [&](const BatchResult& result) {
           EXPECT_TRUE(result.status.ok());
           EXPECT_EQ(result.placements.size(), 1u);
           events += result.events;
         }});
  auto future = publisher_->PublishAsync(MakeEvent("a"));
  ASSERT_TRUE(publisher_->Publish(MakeEvent("b")).ok());
  hub_->HandleAll();
  EXPECT_EQ(future.get()->offset, 0);
  EXPECT_EQ(events, 2u);
  EXPECT_EQ(publisher_->PublishAsync(MakeEvent("")).get().status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(PublisherTest, LocatesKeyedEventsOfSeveralPartitions) {
  Start({.topic = "t", .linger = absl::Milliseconds(1)});
  hub_->SetPartitions(16);
  for (int i = 0; i < 40; ++i)
    ASSERT_TRUE(Publish(std::to_string(i), "k" + std::to_string(i)).ok());
  hub_->Advance(absl::Milliseconds(1));
  hub_->HandleAll();
  std::map<uint32_t, int64_t> next;
  for (int i = 0; i < 40; ++i) {
    const PublishedEvent place = PlaceOf(std::to_string(i));
    EXPECT_EQ(place.partition, PartitionFor("k" + std::to_string(i), 16));
    EXPECT_EQ(place.offset, next[place.partition]++);
  }
}

TEST_F(PublisherTest, LocatesByThePartitionsThatTheTopicHad) {
  Start({.topic = "t", .linger = absl::Milliseconds(1)});
  hub_->SetPartitions(16);
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(Publish(std::to_string(i), "k" + std::to_string(i)).ok());
  }
  ASSERT_TRUE(Publish("keyless").ok());
  hub_->Advance(absl::Milliseconds(1));
  hub_->HandleAndBreak();
  hub_->SetPartitions(17);
  hub_->Advance(absl::Minutes(1));
  hub_->HandleAll();
  for (int i = 0; i < 40; ++i) {
    const PublishedEvent place = PlaceOf(std::to_string(i));
    EXPECT_EQ(place.partition, PartitionFor("k" + std::to_string(i), 16));
    EXPECT_TRUE(place.duplicate);
  }
  EXPECT_EQ(PlaceOf("keyless").partition, 0u);
}

TEST_F(PublisherTest, AReplyThatDoesNotAddUpIsAnErrorOfTheCallbackAlone) {
  Start({.topic = "t", .max_batch_events = 2, .linger = absl::Minutes(1)});
  ASSERT_TRUE(Publish("a").ok());
  ASSERT_TRUE(Publish("b").ok());
  hub_->ReplyTo(hub_->request(0).correlation_id());  // One event, it says.
  EXPECT_EQ(StatusOf("a").code(), absl::StatusCode::kInternal);
  EXPECT_EQ(StatusOf("b").code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(publisher_->Flush().ok());  // They are appended.
}

}  // namespace
}  // namespace eventhub::client
