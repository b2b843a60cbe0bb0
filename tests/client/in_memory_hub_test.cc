// The hub in memory, as a user's test would use it: it links nothing of the server.
#include "eventhub/testing/in_memory_hub.h"

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eventhub/admin_client.h"
#include "eventhub/committer.h"
#include "eventhub/erasure.h"
#include "eventhub/erasure_client.h"
#include "eventhub/error.h"
#include "eventhub/latest_reader.h"
#include "eventhub/publisher.h"
#include "eventhub/reader.h"
#include "eventhub/subscriber.h"
#include "eventhub/subscription_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/base/mutex.h"
#include "tests/support/eventually.h"

namespace eventhub::client {
namespace {

using ::testing::ElementsAre;

v1::Event EventOf(const std::string& id) {
  v1::Event event;
  event.set_id(id);
  event.set_source("/test");
  event.set_type("t");
  return event;
}

void CreateTopic(InMemoryHub& hub, const std::string& name) {
  const auto created = AdminClient(hub.Connect()).CreateTopic({.name = name});
  ASSERT_TRUE(created.ok()) << created.status();
}

absl::Status Publish(const std::shared_ptr<Connection>& hub, const v1::Event& event) {
  const auto publisher = Publisher::Create(hub, {.topic = "t"});
  if (!publisher.ok()) return publisher.status();
  absl::Status published = (*publisher)->Publish(event);
  published.Update((*publisher)->Flush(absl::Seconds(30)));
  return published;
}

std::vector<v1::Event> EventsOf(const std::shared_ptr<Connection>& hub, const std::string& topic) {
  std::vector<v1::Event> events;
  const auto reader = Reader::Create(hub, {.topic = topic});
  EXPECT_TRUE(reader.ok());
  v1::Event event;
  for (;;) {
    const auto batch = (*reader)->Next(absl::Seconds(30));
    EXPECT_TRUE(batch.ok()) << batch.status();
    if (!batch.ok() || batch->done()) return events;
    for (const ReceivedEvent& received : *batch) {
      EXPECT_TRUE(received.ParseTo(event).ok());
      events.push_back(event);
    }
  }
}

std::vector<std::string> IdsOf(const std::shared_ptr<Connection>& hub, const std::string& topic) {
  std::vector<std::string> ids;
  for (const v1::Event& event : EventsOf(hub, topic)) ids.push_back(event.id());
  return ids;
}

// Records the ids of events, with their attempts.
class Seen {
 public:
  void Add(const ReceivedEvent& received) {
    v1::Event event;
    EXPECT_TRUE(received.ParseTo(event).ok());
    MutexLock lock(mutex_);
    ids_.push_back(absl::StrCat(event.id(), "#", received.delivery_attempt()));
  }
  std::vector<std::string> ids() const {
    MutexLock lock(mutex_);
    return ids_;
  }

 private:
  mutable Mutex mutex_;
  std::vector<std::string> ids_ ABSL_GUARDED_BY(mutex_);
};

TEST(InMemoryHubTest, HubsAreIsolated) {
  InMemoryHub one, two;
  CreateTopic(one, "t");
  ASSERT_TRUE(Publish(one.Connect(), EventOf("1")).ok());
  EXPECT_THAT(IdsOf(one.Connect(), "t"), ElementsAre("1"));
  EXPECT_TRUE(absl::IsNotFound(AdminClient(two.Connect()).GetTopic("t").status()));
}

TEST(InMemoryHubTest, LatestEventsAreLookedUpByKey) {
  InMemoryHub hub;
  ASSERT_TRUE(
      AdminClient(hub.Connect()).CreateTopic({.name = "t", .latest_per_key = LatestPerKey{}}).ok());
  v1::Event event = EventOf("1");
  event.set_partition_key("k");
  event.set_data("data");
  ASSERT_TRUE(Publish(hub.Connect(), event).ok());
  event.set_id("2");
  ASSERT_TRUE(Publish(hub.Connect(), event).ok());
  LatestReader reader(hub.Connect(), {.topic = "t"});
  const absl::StatusOr<LatestEvent> latest = reader.Get("k");
  ASSERT_TRUE(latest.ok()) << latest.status();
  EXPECT_EQ(latest->event.id(), "2");
  EXPECT_EQ(latest->offset, 1);
  EXPECT_NE(latest->run, 0u);
  EXPECT_EQ(GetErrorReason(reader.Get("none").status()), ErrorReason::kKeyNotFound);
  EXPECT_EQ(GetErrorReason(reader.Get("k", 3).status()), ErrorReason::kPartitionNotFound);
}

TEST(InMemoryHubTest, SubjectsAreErased) {
  InMemoryHub hub;
  ASSERT_TRUE(AdminClient(hub.Connect()).CreateTopic({.name = "t", .erasable = true}).ok());
  v1::Event event = EventOf("1");
  (*event.mutable_attributes())["datasubject"].set_string("ann");
  event.set_data("of ann");
  ASSERT_TRUE(Publish(hub.Connect(), event).ok());
  hub.Restart();
  EXPECT_EQ(EventsOf(hub.Connect(), "t").at(0).data(), "of ann");
  const absl::StatusOr<Erasure> erasure = ErasureClient(hub.Connect()).Erase("ann");
  ASSERT_TRUE(erasure.ok()) << erasure.status();
  EXPECT_EQ(erasure->destroyed_keys, 1u);
  hub.Restart();
  const std::vector<v1::Event> events = EventsOf(hub.Connect(), "t");
  EXPECT_EQ(events.at(0).data(), "");
  EXPECT_TRUE(events.at(0).attributes().contains("dataerased"));
}

// What look-ups without waiting returned, by number.
class Answers {
 public:
  LatestReader::Callback Take(int number) {
    return [this, number](absl::StatusOr<LatestEvent> latest) {
      MutexLock lock(mutex_);
      EXPECT_TRUE(answers_.try_emplace(number, std::move(latest)).second) << number;
      change_.NotifyAll();
    };
  }
  std::map<int, absl::StatusOr<LatestEvent>> Await(size_t count) {
    MutexLock lock(mutex_);
    while (answers_.size() < count) change_.Wait(mutex_);
    return answers_;
  }

 private:
  Mutex mutex_;
  CondVar change_;
  std::map<int, absl::StatusOr<LatestEvent>> answers_ ABSL_GUARDED_BY(mutex_);
};

TEST(InMemoryHubTest, ManyKeysAreLookedUpAtOnce) {
  constexpr int kKeys = 1000;
  InMemoryHub hub;
  std::shared_ptr<Connection> connection = hub.Connect();
  ASSERT_TRUE(AdminClient(connection)
                  .CreateTopic({.name = "t", .partitions = 3, .latest_per_key = LatestPerKey{}})
                  .ok());
  const auto publisher = Publisher::Create(connection, {.topic = "t"});
  ASSERT_TRUE(publisher.ok());
  for (int i = 0; i < kKeys; ++i) {
    v1::Event event = EventOf(absl::StrCat(i));
    event.set_partition_key(absl::StrCat("key-", i));
    event.set_data("data");
    ASSERT_TRUE((*publisher)->Publish(event).ok());
  }
  ASSERT_TRUE((*publisher)->Flush().ok());
  Answers answers;
  {
    LatestReader reader(std::exchange(connection, nullptr), {.topic = "t"});
    for (int i = 0; i < kKeys; ++i) reader.GetAsync(absl::StrCat("key-", i), answers.Take(i));
    reader.GetAsync("none", answers.Take(kKeys));
    reader.GetAsync("key-0", answers.Take(kKeys + 1), 7);
  }
  const auto found = answers.Await(kKeys + 2);
  for (int i = 0; i < kKeys; ++i) {
    const absl::StatusOr<LatestEvent>& latest = found.at(i);
    ASSERT_TRUE(latest.ok()) << latest.status();
    EXPECT_EQ(latest->event.id(), absl::StrCat(i));
  }
  EXPECT_EQ(GetErrorReason(found.at(kKeys).status()), ErrorReason::kKeyNotFound);
  EXPECT_EQ(GetErrorReason(found.at(kKeys + 1).status()), ErrorReason::kPartitionNotFound);
}

// Those that are sent say that there is no hub, the others that they were not sent.
TEST(InMemoryHubTest, LookUpsAtOnceEndInTime) {
  constexpr int kLookUps = 100;
  Answers answers;
  {
    LatestReader reader(Connect("localhost:1"), {.topic = "t", .timeout = absl::Milliseconds(50)});
    for (int i = 0; i < kLookUps; ++i) reader.GetAsync("k", answers.Take(i));
  }
  int unavailable = 0, late = 0;
  for (const auto& [number, latest] : answers.Await(kLookUps)) {
    unavailable += absl::IsUnavailable(latest.status());
    late += absl::IsDeadlineExceeded(latest.status());
    EXPECT_FALSE(OutcomeIsUnknown(latest.status())) << latest.status();
  }
  EXPECT_GE(unavailable, 64);
  EXPECT_EQ(unavailable + late, kLookUps);
}

// Read, process, write, and settle later: what a stream processor does.
TEST(InMemoryHubTest, TransactionsMoveEventsExactlyOnce) {
  InMemoryHub hub;
  CreateTopic(hub, "t");
  CreateTopic(hub, "out");
  const std::shared_ptr<Connection> connection = hub.Connect();
  ASSERT_TRUE(SubscriptionClient(connection)
                  .CreateSubscription({.name = "s", .topic = "t", .kind = SubscriptionKind::kQueue})
                  .ok());
  const auto committer = Committer::Create(connection, {});
  ASSERT_TRUE(committer.ok());
  const auto subscriber = Subscriber::Start(
      connection,
      {.subscription = "s", .on_event_async = [&](ReceivedEvent received, Settler settler) {
         Transaction transaction;
         v1::Event event;
         EXPECT_TRUE(received.ParseTo(event).ok());
         transaction.Ack("s", received).Append("out", std::move(event));
         EXPECT_TRUE((*committer)
                         ->Commit(std::move(transaction),
                                  [settler = std::move(settler)](const auto& result) mutable {
                                    EXPECT_TRUE(result.ok()) << result.status();
                                    settler.Settle(result.ok() ? Outcome::Settled()
                                                               : Outcome::Retry("refused"));
                                  })
                         .ok());
       }});
  ASSERT_TRUE(subscriber.ok());
  constexpr int kEvents = 100;
  const auto publisher = Publisher::Create(connection, {.topic = "t"});
  for (int i = 0; i < kEvents; ++i) {
    ASSERT_TRUE((*publisher)->Publish(EventOf(absl::StrCat(i))).ok());
  }
  ASSERT_TRUE((*publisher)->Flush(absl::Seconds(30)).ok());
  ASSERT_TRUE(Eventually([&] { return IdsOf(connection, "out").size() >= kEvents; }));
  EXPECT_TRUE((*subscriber)->Stop(absl::Seconds(30)).ok());
  EXPECT_EQ(IdsOf(connection, "out").size(), static_cast<size_t>(kEvents));
}

TEST(InMemoryHubTest, AdvanceEndsLeases) {
  InMemoryHub hub;
  CreateTopic(hub, "t");
  const std::shared_ptr<Connection> connection = hub.Connect();
  ASSERT_TRUE(SubscriptionClient(connection)
                  .CreateSubscription({.name = "s",
                                       .topic = "t",
                                       .kind = SubscriptionKind::kQueue,
                                       .ack_deadline = absl::Minutes(1)})
                  .ok());
  Seen seen;
  Mutex mutex;
  std::vector<Settler> held;
  const auto subscriber =
      Subscriber::Start(connection, {.subscription = "s",
                                     .on_event_async =
                                         [&](ReceivedEvent received, Settler settler) {
                                           seen.Add(received);
                                           MutexLock lock(mutex);
                                           held.push_back(std::move(settler));
                                         },
                                     .max_lease_extension = absl::ZeroDuration()});
  ASSERT_TRUE(subscriber.ok());
  ASSERT_TRUE(Publish(connection, EventOf("slow")).ok());
  ASSERT_TRUE(Eventually([&] { return seen.ids().size() == 1; }));
  hub.Advance(absl::Minutes(2));
  ASSERT_TRUE(Eventually([&] { return seen.ids().size() == 2; }));
  EXPECT_THAT(seen.ids(), ElementsAre("slow#1", "slow#2"));
  MutexLock lock(mutex);
  for (Settler& settler : held) settler.Ack();
}

TEST(InMemoryHubTest, AdvanceReleasesDelayedEvents) {
  InMemoryHub hub;
  CreateTopic(hub, "t");
  const std::shared_ptr<Connection> connection = hub.Connect();
  v1::Event event = EventOf("reminder");
  event.mutable_deliver_after()->set_seconds(8 * 3600);
  ASSERT_TRUE(Publish(connection, event).ok());
  EXPECT_THAT(IdsOf(connection, "t"), ElementsAre());
  const absl::Time before = hub.Now();
  hub.Advance(absl::Hours(9));
  EXPECT_GE(hub.Now(), before + absl::Hours(9));
  EXPECT_TRUE(Eventually([&] { return IdsOf(connection, "t").size() == 1; }));
}

TEST(InMemoryHubTest, RestartKeepsDataAndConnections) {
  InMemoryHub hub;
  CreateTopic(hub, "t");
  const std::shared_ptr<Connection> connection = hub.Connect();
  ASSERT_TRUE(SubscriptionClient(connection)
                  .CreateSubscription({.name = "s", .topic = "t", .kind = SubscriptionKind::kQueue})
                  .ok());
  Seen seen;
  std::atomic<int> connected{0};
  const auto subscriber = Subscriber::Start(
      connection, {.subscription = "s",
                   .on_event =
                       [&](const ReceivedEvent& received) {
                         seen.Add(received);
                         return Outcome::Ack();
                       },
                   .retry = {.initial_delay = absl::Milliseconds(1)},
                   .hooks = {.on_connected = [&](const std::string&) { ++connected; }}});
  ASSERT_TRUE(subscriber.ok());
  const auto publisher = Publisher::Create(
      connection, {.topic = "t", .retry = {.initial_delay = absl::Milliseconds(1)}});
  ASSERT_TRUE((*publisher)->Publish(EventOf("before")).ok());
  ASSERT_TRUE((*publisher)->Flush(absl::Seconds(30)).ok());
  ASSERT_TRUE(Eventually([&] { return (*subscriber)->counters().acked == 1; }));
  hub.Stop();
  // The publisher holds it until the hub is back.
  ASSERT_TRUE((*publisher)->Publish(EventOf("meanwhile")).ok());
  const absl::Status unreachable = AdminClient(connection, {.timeout = absl::Milliseconds(100)})
                                       .CreateTopic({.name = "never sent"})
                                       .status();
  EXPECT_TRUE(absl::IsUnavailable(unreachable)) << unreachable;
  EXPECT_FALSE(OutcomeIsUnknown(unreachable));
  hub.Start();
  ASSERT_TRUE((*publisher)->Flush(absl::Seconds(30)).ok());
  ASSERT_TRUE(Eventually([&] { return (*subscriber)->counters().acked == 2; }));
  EXPECT_EQ(connected, 2);
  EXPECT_THAT(seen.ids(), ElementsAre("before#1", "meanwhile#1"));
  EXPECT_THAT(IdsOf(connection, "t"), ElementsAre("before", "meanwhile"));
  hub.Restart();
  EXPECT_THAT(IdsOf(hub.Connect(), "t"), ElementsAre("before", "meanwhile"));
}

TEST(InMemoryHubTest, ConnectionMayOutliveItsHub) {
  std::shared_ptr<Connection> connection;
  {
    InMemoryHub hub;
    connection = hub.Connect();
    CreateTopic(hub, "t");
  }
  EXPECT_TRUE(absl::IsUnavailable(
      AdminClient(connection, {.timeout = absl::Milliseconds(100)}).GetTopic("t").status()));
}

}  // namespace
}  // namespace eventhub::client
