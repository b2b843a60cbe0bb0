// The order of visibility with many threads: an observer that sees part of a commit sees all of it.
// Consumers forward their events in transactions from one topic to the next, park some, and
// disconnect without settling; events are replayed, dead letters redriven, delayed events become
// due or are cancelled, a link advances, and routes copy. Each delivery and each report is compared
// with the events that can be read at that moment. Syncs are delayed at random, so that many
// commits are written and not visible.
#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/transaction/transaction.h"
#include "tests/server/route_rig.h"
#include "tests/server/seeded.h"
#include "tests/support/caller.h"
#include "tests/support/events.h"
#include "tests/support/eventually.h"

namespace eventhub {
namespace {

constexpr uint32_t kRacePartitions = 2;
constexpr int kKeys = 3;
constexpr int kEvents = 600;
constexpr char kStream[] = "stream";
constexpr char kQueue[] = "queue";
constexpr char kLetters[] = "letters";
constexpr char kStreamLetters[] = "stream-letters";
constexpr char kLatest[] = "latest";
constexpr int kDelayed = 200;
constexpr int kLinkSteps = 150;
constexpr int kReplays = 60;
constexpr int kEventsOfAStep = 3;

// The ids of all readable events of a topic.
class TopicIds {
 public:
  TopicIds(SubscriptionRig& rig, std::string topic) : rig_(rig), topic_(std::move(topic)) {}

  // Reads on to the end of the topic, and returns those of `ids` that are missing.
  std::vector<std::string> Missing(const std::vector<std::string>& ids) {
    MutexLock lock(mutex_);
    v1::ReadRequest request = ReadOf(topic_);
    for (const auto& [partition, next] : next_) {
      v1::PartitionOffset& offset = *request.add_offsets();
      offset.set_partition(partition);
      offset.set_offset(next);
    }
    const absl::StatusOr<Delivered> read = rig_.Read(request);
    EXPECT_THAT(read, IsOk());
    for (const auto& [partition, events] : read->events) {
      for (const Delivered::Event& event : events) {
        ++ids_[event.id];
        next_[partition] = event.offset + 1;
      }
    }
    std::vector<std::string> missing;
    for (const std::string& id : ids) {
      if (!ids_.contains(id)) missing.push_back(id);
    }
    return missing;
  }

  // Reads on to the end of the topic, and returns the number of its events.
  int64_t Count() {
    Missing({});
    int64_t count = 0;
    for (const auto& [id, times] : ids()) count += times;
    return count;
  }

  // How often each id was read.
  std::map<std::string, int> ids() {
    MutexLock lock(mutex_);
    return ids_;
  }

 private:
  SubscriptionRig& rig_;
  const std::string topic_;
  Mutex mutex_;
  std::map<uint32_t, int64_t> next_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> ids_ ABSL_GUARDED_BY(mutex_);
};

class VisibilityRaceTest : public SeededTest {
 protected:
  void SetUp() override {
    rig_.real_time = true;
    ASSERT_THAT(rig_.Open(), IsOk());
    ASSERT_THAT(rig_.Create("in", kRacePartitions), IsOk());
    for (const char* topic : {"copy", "stream-out", "queue-out", kLetters, kStreamLetters, "later",
                              "later-copy", "linked", "linked-copy"}) {
      ASSERT_THAT(rig_.Create(topic, kRacePartitions), IsOk());
    }
    v1::Topic latest;
    latest.set_name(kLatest);
    latest.set_partitions(kRacePartitions);
    latest.mutable_retention()->mutable_latest_per_key();
    ASSERT_THAT(rig_.Create(latest), IsOk());
    ASSERT_THAT(rig_.CreateRoute(RouteOf("copies", "in", {"copy"})), IsOk());
    ASSERT_THAT(rig_.CreateRoute(RouteOf("later-copies", "later", {"later-copy"})), IsOk());
    ASSERT_THAT(rig_.CreateRoute(RouteOf("linked-copies", "linked", {"linked-copy"})), IsOk());
    v1::CreateLinkRequest link;
    link.mutable_link()->set_name("link");
    link.mutable_link()->set_remote_address("remote:7070");
    link.mutable_link()->set_remote_topic("remote");
    link.mutable_link()->set_local_topic("linked");
    std::promise<absl::Status> linked;
    rig_.broker().links().Create(kTester, link,
                                 [&](const auto& answer) { linked.set_value(answer.status()); });
    ASSERT_THAT(linked.get_future().get(), IsOk());
    v1::Subscription stream = SubscriptionOf(kStream, "in", v1::Subscription::KIND_STREAM);
    stream.set_dead_letter_topic(kStreamLetters);
    ASSERT_THAT(rig_.Subscribe(stream), IsOk());
    v1::Subscription queue = SubscriptionOf(kQueue, "in", v1::Subscription::KIND_QUEUE);
    queue.set_ordered_by_key(true);
    queue.set_dead_letter_topic(kLetters);
    ASSERT_THAT(rig_.Subscribe(queue), IsOk());
  }

  // The n-th event of a key; `partition` is its target.
  static std::string IdOf(int key, int n) { return absl::StrCat(key, "-", n); }

  void Publish(uint64_t seed) {
    std::mt19937_64 dice(seed);
    std::map<int, int> next;
    for (int i = 0; i < kEvents; ++i) {
      const int key = static_cast<int>(dice() % kKeys);
      v1::PublishStreamRequest request = MakeRequest("in", {});
      *request.add_events() = MakeEvent(IdOf(key, next[key]++), absl::StrCat(key));
      request.set_durability(dice() % 2 == 0 ? v1::DURABILITY_SYNCED : v1::DURABILITY_WRITTEN);
      EXPECT_THAT(rig_.BrokerRig::Publish(request), IsOk());
    }
    published_ = true;
  }

  // Publishes events with a short delay, and cancels some of them.
  void Delay(uint64_t seed) {
    std::mt19937_64 dice(seed);
    for (int i = 0; i < kDelayed; ++i) {
      const std::string id = absl::StrCat("d-", i);
      v1::PublishStreamRequest request = MakeRequest("later", {});
      v1::Event& event = *request.add_events() = MakeEvent(id, id);
      event.mutable_deliver_after()->set_nanos(static_cast<int>(dice() % 20) * 1'000'000);
      request.set_durability(dice() % 2 == 0 ? v1::DURABILITY_SYNCED : v1::DURABILITY_WRITTEN);
      ++submitted_;
      const absl::StatusOr<v1::PublishResult> result = rig_.BrokerRig::Publish(request);
      ASSERT_THAT(result, IsOk());
      if (result->delayed_size() == 0 || dice() % 8 != 0) {  // Some are due at once.
        MutexLock lock(delayed_mutex_);
        kept_.push_back(id);
        continue;
      }
      v1::CancelDelayedEventsRequest cancels;
      cancels.set_topic("later");
      cancels.add_delay_ids(result->delayed(0).delay_id());
      std::promise<uint32_t> cancelled;
      rig_.broker().delayed().Cancel(kTester, cancels, [&](const auto& answer) {
        EXPECT_THAT(answer, IsOk());
        cancelled.set_value(answer.ok() ? answer->cancelled() : 0);
      });
      MutexLock lock(delayed_mutex_);
      (cancelled.get_future().get() == 1 ? cancelled_ : kept_).push_back(id);
    }
    delays_done_ = true;
  }

  std::vector<std::string> Kept() {
    MutexLock lock(delayed_mutex_);
    return kept_;
  }

  std::set<std::string> ListDelayed() {
    std::set<std::string> ids;
    v1::ListDelayedEventsRequest request;
    request.set_topic("later");
    request.set_page_size(1000);
    const auto listed = rig_.broker().delayed().List(kTester, request);
    EXPECT_THAT(listed, IsOk());
    for (const v1::DelayedEvent& event : listed->events()) ids.insert(event.event().id());
    return ids;
  }

  // An event is either delayed or in the log.
  void WatchDelayed() {
    for (bool last = false; !last;) {
      last = ended_;
      std::vector<std::string> nowhere;
      const std::vector<std::string> kept = Kept();
      const std::set<std::string> listed = ListDelayed();
      for (const std::string& id : later_.Missing(kept)) {
        if (!listed.contains(id)) nowhere.push_back(id);
      }
      EXPECT_THAT(nowhere, testing::IsEmpty());
      std::vector<std::string> twice;
      const std::map<std::string, int> read = later_.ids();
      for (const std::string& id : ListDelayed()) {
        if (read.contains(id)) twice.push_back(id);
      }
      EXPECT_THAT(twice, testing::IsEmpty());
      ExpectCopies("later", "later-copy");
    }
  }

  // Events of earlier answers are counted, and none is counted twice.
  void WatchDelayedCount() {
    for (bool last = false; !last;) {
      last = ended_;
      const auto kept = static_cast<int64_t>(Kept().size());
      const int64_t delayed_before = DelayedEvents();
      const int64_t readable = later_.Count();
      const int64_t delayed_after = DelayedEvents();
      EXPECT_GE(delayed_before + readable, kept);
      EXPECT_LE(readable + delayed_after, submitted_);
    }
  }

  int64_t DelayedEvents() {
    return static_cast<int64_t>(
        rig_.broker().topics().Get(kTester, "later")->stats().delayed_events());
  }

  // Advances the link, several steps at a time.
  void MoveLink(uint64_t seed) {
    std::mt19937_64 dice(seed);
    Links& links = rig_.broker().links();
    std::atomic<int> left{0};
    for (int i = 0; i < kLinkSteps; ++i) {
      LinkStep step;
      step.link = links.catalog().Find("link");
      step.generation = step.link->generation();
      LinkMove& move = step.moves.emplace_back();
      if (i > 0) move.from = i * kEventsOfAStep;
      move.to = (i + 1) * kEventsOfAStep;
      std::string events;
      for (int64_t n = i * kEventsOfAStep; n < move.to; ++n) {
        const std::string id = absl::StrCat("l-", n);
        events += EncodeEvent(MakeEvent(id, id));
      }
      move.events = SharedBytes::Copy(events);
      ++left;
      links.Submit(kTester, std::move(step), [&](const absl::Status& outcome) {
        EXPECT_THAT(outcome, IsOk());
        --left;
      });
      const bool wait = dice() % 4 == 0;
      EXPECT_TRUE(!wait || Eventually([&] { return left == 0; }));
    }
    EXPECT_TRUE(Eventually([&] { return left == 0; }));
    linked_done_ = true;
  }

  // A link's position and the readable events advance together.
  void WatchLink() {
    const auto position = [this]() -> int64_t {
      const v1::LinkStatus status = rig_.broker().links().Get(kTester, "link")->status();
      return status.positions_size() == 0 ? 0 : status.positions(0).offset();
    };
    for (bool last = false; !last;) {
      last = ended_;
      const int64_t before = position();
      const int64_t readable = linked_.Count();
      const int64_t after = position();
      EXPECT_LE(before, readable);
      EXPECT_GE(after, readable);
      ExpectCopies("linked", "linked-copy");
    }
  }

  // Copies appear together with their originals.
  void ExpectCopies(const std::string& topic, const std::string& copy) {
    for (uint32_t p = 0; p < kRacePartitions; ++p) {
      const int64_t originals = rig_.Describe(topic, p).end_offset();
      const int64_t copies = rig_.Describe(copy, p).end_offset();
      EXPECT_GE(copies, originals);
      EXPECT_GE(rig_.Describe(topic, p).end_offset(), copies);
    }
  }

  // Forwards the events to `out`, without waiting.
  void Transact(const TestConsumer& consumer, const std::string& subscription,
                const std::string& out, const std::vector<Received>& events, bool synced) {
    v1::TransactRequest request;
    request.set_durability(synced ? v1::DURABILITY_SYNCED : v1::DURABILITY_WRITTEN);
    v1::TransactAppend& append = *request.add_appends();
    append.set_topic(out);
    v1::TransactAppend& latest = *request.add_appends();
    latest.set_topic(kLatest);
    v1::TransactAcks& acks = *request.mutable_acks();
    acks.set_subscription(subscription);
    acks.set_session(consumer.said.opened().session());
    for (const Received& event : events) {
      *append.add_events() = MakeEvent(event.id, event.key);
      *latest.add_events() = MakeEvent(event.id, absl::StrCat(out, event.key));
      latest.mutable_events()->rbegin()->set_data("kept");
      v1::Ack& ack = *acks.add_acks();
      ack.set_partition(event.partition);
      ack.set_lease_epoch(event.epoch);
      ack.set_exact(true);
      ack.add_ranges()->set_start(event.offset);
      ack.mutable_ranges(0)->set_end(event.offset + 1);
    }
    const auto parsed = ParseTransaction(SharedBytes::Copy(request.SerializeAsString()));
    ASSERT_THAT(parsed, IsOk());
    ++under_way_;
    rig_.broker().transactions().Transact(
        kTester, *parsed, [this](absl::StatusOr<v1::TransactResponse> response) {
          // Its lease may have ended.
          EXPECT_TRUE(response.ok() || absl::IsAborted(response.status())) << response.status();
          --under_way_;
        });
  }

  // Checks that all earlier events of the partition, except `mine`, were forwarded or became dead
  // letters.
  void CheckBefore(uint32_t partition, int64_t offset, const std::string& what,
                   const std::set<std::string>& mine = {}) {
    std::vector<std::string> ids = InOf(partition, offset);
    ids = stream_letters_.Missing(stream_out_.Missing(ids));
    std::erase_if(ids, [&mine](const std::string& id) { return mine.contains(id); });
    EXPECT_THAT(ids, testing::IsEmpty()) << what << " " << partition << "/" << offset;
  }

  // Takes no answer: it may be sent after the consumer has gone.
  void Park(TestConsumer& consumer, const Received& event) {
    v1::ConsumeRequest nacks;
    nacks.set_correlation_id(++last_request_);
    v1::Nack& nack = *nacks.add_nacks();
    nack.set_partition(event.partition);
    nack.set_lease_epoch(event.epoch);
    nack.set_action(v1::Nack::ACTION_PARK);
    nack.add_ranges()->set_start(event.offset);
    nack.mutable_ranges(0)->set_end(event.offset + 1);
    EXPECT_THAT(consumer.session().Take(std::move(nacks)), IsOk());
  }

  // The ids of the first events of a partition of `in`.
  std::vector<std::string> InOf(uint32_t partition, int64_t end) {
    MutexLock lock(in_mutex_);
    std::vector<std::string>& ids = in_[partition];
    if (static_cast<int64_t>(ids.size()) < end) {
      v1::ReadRequest request = ReadOf("in");
      request.add_partitions(partition);
      ids = rig_.Read(request)->Ids(partition);
    }
    return {ids.begin(), ids.begin() + end};
  }

  // Whether a delivered event was forwarded before: it is replayed or redriven then, and acked.
  bool WasForwarded(TestConsumer& consumer, const std::string& subscription, TopicIds& out,
                    const Received& event) {
    if (!out.Missing({event.id}).empty()) return false;
    {
      MutexLock lock(replayed_mutex_);
      const auto it = replayed_.find({subscription, event.partition});
      EXPECT_TRUE(it != replayed_.end() && event.offset >= it->second)
          << event.id << " was delivered again";
    }
    v1::ConsumeRequest acks;
    acks.set_correlation_id(++last_request_);
    v1::Ack& ack = *acks.add_acks();
    ack.set_partition(event.partition);
    ack.set_lease_epoch(event.epoch);
    ack.set_exact(true);
    ack.add_ranges()->set_start(event.offset);
    ack.mutable_ranges(0)->set_end(event.offset + 1);
    EXPECT_THAT(consumer.session().Take(std::move(acks)), IsOk());
    return true;
  }

  // Replays the events that were delivered last, which may be in transactions.
  void Replay(uint64_t seed) {
    std::mt19937_64 dice(seed);
    for (int i = 0; i < kReplays && !ended_; ++i) {
      const std::string name = dice() % 2 == 0 ? kStream : kQueue;
      const v1::GetSubscriptionResponse got = rig_.Get(name);
      for (const v1::SubscriptionPartition& p : got.partitions()) {
        const int64_t from =
            std::max<int64_t>(0, p.next_offset() - static_cast<int64_t>(dice() % 20));
        {
          MutexLock lock(replayed_mutex_);
          const auto [it, added] = replayed_.try_emplace({name, p.partition()}, from);
          it->second = std::min(it->second, from);
        }
        v1::ReplaySubscriptionRequest request;
        request.set_name(name);
        request.add_partitions(p.partition());
        request.mutable_start()->set_offset(from);
        EXPECT_THAT(rig_.Replay(request), IsOk());
      }
    }
    replays_done_ = true;
  }

  // Runs one consumer after another. An assigned partition starts after everything that other
  // consumers forwarded or gave up.
  void ConsumeStream(uint64_t seed) {
    std::mt19937_64 dice(seed);
    while (!ended_) {
      const auto consumer =
          rig_.Consume(kStream, absl::StrCat("c", seed), 1 + static_cast<uint32_t>(dice() % 8));
      std::map<uint32_t, int64_t> first_new;  // Of the partitions, until they are reached.
      std::set<std::string> mine;
      for (uint64_t lives = 1 + dice() % 12; lives > 0 && !ended_; --lives) {
        ASSERT_TRUE(Eventually([&] { return consumer->woken() || ended_; }));
        std::vector<Received> events = consumer->Receive();
        for (const v1::PartitionLease& lease : consumer->said.assigned()) {
          CheckBefore(lease.partition(), lease.next_offset(), "assigned");
          first_new[lease.partition()] = lease.first_new_offset();
        }
        consumer->said.clear_assigned();
        for (const Received& event : events) {
          mine.insert(event.id);
          const auto next = first_new.find(event.partition);
          if (next == first_new.end() || event.offset < next->second) continue;
          CheckBefore(event.partition, next->second, "delivered behind", mine);
          first_new.erase(next);
        }
        std::erase_if(events, [&](const Received& event) {
          return WasForwarded(*consumer, kStream, stream_out_, event);
        });
        if (!events.empty() && dice() % 8 == 0) {
          Park(*consumer, events.back());
          events.pop_back();
        }
        if (events.empty()) continue;
        Transact(*consumer, kStream, "stream-out", events, dice() % 2 == 0);
      }
      consumer->session().Close(Subscription::Ended::kByConsumer);
    }
  }

  // The previous event of the same key was forwarded or became a dead letter.
  void CheckKey(const Received& event) {
    const std::string::size_type dash = event.id.find('-');
    const int n = std::stoi(event.id.substr(dash + 1));
    if (n == 0) return;
    const std::string before = IdOf(std::stoi(event.id.substr(0, dash)), n - 1);
    const std::vector<std::string> missing = queue_out_.Missing({before});
    EXPECT_TRUE(missing.empty() || letters_.Missing({before}).empty())
        << event.id << " came and " << before << " is nowhere";
  }

  void ConsumeQueue(uint64_t seed) {
    std::mt19937_64 dice(seed);
    while (!ended_) {
      const auto consumer =
          rig_.Consume(kQueue, absl::StrCat("c", seed), 1 + static_cast<uint32_t>(dice() % 4));
      for (uint64_t lives = 1 + dice() % 12; lives > 0 && !ended_; --lives) {
        ASSERT_TRUE(Eventually([&] { return consumer->woken() || ended_; }));
        for (const Received& event : consumer->Receive()) {
          if (WasForwarded(*consumer, kQueue, queue_out_, event)) continue;
          // Redriven events have no order.
          if (letters_.Missing({event.id}).empty()) {
            Transact(*consumer, kQueue, "queue-out", {event}, dice() % 2 == 0);
            continue;
          }
          CheckKey(event);
          if (dice() % 8 == 0) {
            Park(*consumer, event);
          } else {
            Transact(*consumer, kQueue, "queue-out", {event}, dice() % 2 == 0);
          }
        }
      }
      consumer->session().Close(Subscription::Ended::kByConsumer);
    }
  }

  // Reports contain only readable state.
  void Watch() {
    for (bool last = false; !last;) {
      last = ended_;
      const v1::GetSubscriptionResponse stream = rig_.Get(kStream);
      for (const v1::SubscriptionPartition& p : stream.partitions()) {
        CheckBefore(p.partition(), p.acked_offset(), "acked");
      }
      ExpectCopies("in", "copy");
      const auto lettered = [this] {
        return static_cast<int64_t>(rig_.Get(kQueue).stats().dead_lettered_events());
      };
      const int64_t lettered_before = lettered();
      const int64_t letters = letters_.Count();
      EXPECT_LE(lettered_before, letters);
      EXPECT_GE(lettered(), letters);
      for (const v1::DeadLetter& letter : rig_.DeadLetters(kQueue)) {
        EXPECT_FALSE(letter.event().id().empty()) << letter.ShortDebugString();
      }
    }
  }

  void Redrive() {
    while (!ended_) {
      for (const char* subscription : {kQueue, kStream}) {
        v1::RedriveDeadLettersRequest request;
        request.set_subscription(subscription);
        request.mutable_selector();
        EXPECT_THAT(rig_.Redrive(request), IsOk());
      }
    }
  }

  // The latest event of a key was appended together with one of another topic.
  void WatchLatest() {
    std::map<std::string, int64_t> offsets;
    for (bool last = false; !last;) {
      last = ended_;
      for (int key = 0; key < 2 * kKeys; ++key) {
        TopicIds& out = key < kKeys ? stream_out_ : queue_out_;
        v1::GetLatestRequest request;
        request.set_topic(kLatest);
        request.set_key(absl::StrCat(key < kKeys ? "stream-out" : "queue-out", key % kKeys));
        const auto latest = rig_.broker().readers().Latest(kTester, request);
        if (absl::IsNotFound(latest.status())) continue;
        ASSERT_THAT(latest, IsOk());
        EXPECT_THAT(out.Missing({latest->event().id()}), testing::IsEmpty());
        EXPECT_GE(latest->offset(), offsets[request.key()]);
        offsets[request.key()] = latest->offset();
      }
    }
  }

  // Delays syncs until some commits wait, then releases them.
  void HoldSyncs() {
    while (!ended_) {
      rig_.disk.HoldSyncs();
      for (int i = 0; i < 300 && !ended_; ++i) std::this_thread::yield();
      rig_.disk.ReleaseSyncs();
      for (int i = 0; i < 30; ++i) std::this_thread::yield();
    }
  }

  bool AllDone() {
    if (!published_ || !delays_done_ || !linked_done_ || !replays_done_) return false;
    if (DelayedEvents() > 0) return false;
    for (const char* name : {kStream, kQueue}) {
      const v1::SubscriptionStats stats = rig_.Get(name).stats();
      if (stats.lag_events() + stats.replay_events() + stats.open_dead_letters() > 0) return false;
    }
    return true;
  }

  RouteRig rig_;
  TopicIds stream_out_{rig_, "stream-out"};
  TopicIds queue_out_{rig_, "queue-out"};
  TopicIds letters_{rig_, kLetters};
  TopicIds stream_letters_{rig_, kStreamLetters};
  TopicIds later_{rig_, "later"};
  TopicIds linked_{rig_, "linked"};
  std::atomic<bool> published_{false};
  std::atomic<bool> delays_done_{false};
  std::atomic<bool> linked_done_{false};
  std::atomic<bool> replays_done_{false};
  std::atomic<int64_t> submitted_{0};  // Events that are to be delayed.
  std::atomic<bool> ended_{false};
  std::atomic<int> under_way_{0};
  std::atomic<uint64_t> last_request_{0};
  Mutex delayed_mutex_;
  std::vector<std::string> kept_ ABSL_GUARDED_BY(delayed_mutex_);  // Not cancelled.
  std::vector<std::string> cancelled_ ABSL_GUARDED_BY(delayed_mutex_);
  Mutex replayed_mutex_;
  // The first offset, in a partition of a subscription.
  std::map<std::pair<std::string, uint32_t>, int64_t> replayed_ ABSL_GUARDED_BY(replayed_mutex_);
  Mutex in_mutex_;
  std::map<uint32_t, std::vector<std::string>> in_ ABSL_GUARDED_BY(in_mutex_);
};

TEST_F(VisibilityRaceTest, CommitsBecomeVisibleAtomically) {
  std::vector<std::thread> threads;
  const auto start = [&](std::function<void()> run) { threads.emplace_back(std::move(run)); };
  start([this] { Publish(seed_); });
  for (uint64_t i = 1; i <= 3; ++i) {
    start([this, i] { ConsumeStream(seed_ + i); });
    start([this, i] { ConsumeQueue(seed_ + 100 * i); });
  }
  start([this] { Watch(); });
  start([this] { Delay(seed_ + 1000); });
  start([this] { WatchDelayed(); });
  start([this] { WatchDelayedCount(); });
  start([this] { MoveLink(seed_ + 2000); });
  start([this] { WatchLink(); });
  start([this] { Redrive(); });
  start([this] { Replay(seed_ + 3000); });
  start([this] { WatchLatest(); });
  start([this] { HoldSyncs(); });
  EXPECT_TRUE(Eventually([&] { return AllDone() || HasFailure(); }, absl::Seconds(60)));
  ended_ = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(Eventually([&] { return under_way_ == 0; }));
  // Each was forwarded exactly once.
  for (TopicIds* out : {&stream_out_, &queue_out_}) {
    out->Missing({});
    const std::map<std::string, int> ids = out->ids();
    EXPECT_EQ(ids.size(), static_cast<size_t>(kEvents));
    for (const auto& [id, count] : ids) EXPECT_EQ(count, 1) << id;
  }
  EXPECT_THAT(later_.Missing(Kept()), testing::IsEmpty());
  {
    const std::map<std::string, int> ids = later_.ids();
    MutexLock lock(delayed_mutex_);
    EXPECT_EQ(ids.size(), kept_.size());
    for (const std::string& id : cancelled_) EXPECT_FALSE(ids.contains(id)) << id;
  }
  EXPECT_EQ(linked_.Count(), kLinkSteps * kEventsOfAStep);
}

}  // namespace
}  // namespace eventhub
