// Random consumers, publishers and administrators of one subscription, with a manual clock and
// reopened stores, compared with a simple model.
#include "tests/server/subscription_model.h"

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/server/seeded.h"
#include "tests/server/subscription_rig.h"

namespace eventhub {
namespace {

constexpr int64_t kTick = 100'000;  // All times are multiples of it, in microseconds.

class SubscriptionModelTest : public SeededTest {
 protected:
  void Run(v1::Subscription::Kind kind, bool ordered_by_key);

 private:
  struct Client {
    std::unique_ptr<TestConsumer> consumer;
    std::vector<Received> had;  // Some of the events that it received, possibly long ago.
  };
  // The events that an ack, a nack or an extension concerns.
  struct Target {
    uint32_t partition = 0;
    uint64_t epoch = 0;
    int64_t from = 0;
    int64_t to = 0;
  };
  using Offsets = SubscriptionModel::Offsets;

  void Start(v1::Subscription::Kind kind, bool ordered_by_key);
  void Step();
  void FinishAll();

  void Publish();
  void Open();
  void Close(int id);
  void LeaveOne();
  void SettleOne();
  void SetCredit();
  void PassTime();
  void Trim();
  void Pause();
  void Seek();
  void Replay();
  void Snapshot();
  void CloseLetters();
  void Reopen();

  // Takes the events for a consumer that was woken; at most `frames`.
  void Poll(int id, int frames);
  void PollAll();
  void TakeEvents(int id);
  void AwaitParked();  // If the model has events to be parked.
  // Applies the hub's report of partitions and parking to the model.
  void Observe();
  // Waits until everything done so far is durable.
  void Barrier();
  void Check();
  stored::Snapshot HubState();
  int AnyClient();
  Target PickTarget(int id);
  void SettleAndCompare(int id, v1::ConsumeRequest request, const Offsets& refused);

  template <typename T>
  const T& Pick(const std::vector<T>& from) {
    return from[static_cast<size_t>(Int(0, static_cast<int64_t>(from.size()) - 1))];
  }
  int64_t StartOf(uint32_t p) const { return model_->partitions[p].start; }
  int64_t EndOf(uint32_t p) const {
    return static_cast<int64_t>(model_->partitions[p].events.size());
  }

  std::unique_ptr<SubscriptionRig> rig_;
  std::unique_ptr<SubscriptionModel> model_;
  std::map<int, Client> clients_;
  std::map<std::string, SubscriptionModel> snapshots_;
  bool acks_synced_ = false;
  int last_client_ = 0;
  int published_ = 0;
  int delivered_ = 0;
};

void SubscriptionModelTest::Start(v1::Subscription::Kind kind, bool ordered_by_key) {
  clients_.clear();
  snapshots_.clear();
  model_.reset();
  rig_ = std::make_unique<SubscriptionRig>();
  rig_->EnableTrimming();
  rig_->tail_cache_bytes = OneIn(2) ? 1 : size_t{1} << 20;  // Some runs read only from disk.
  ASSERT_THAT(rig_->Open(), IsOk());
  v1::Topic topic;
  topic.set_name("t");
  topic.set_partitions(static_cast<uint32_t>(Int(1, 4)));
  topic.set_default_durability(v1::DURABILITY_SYNCED);
  ASSERT_THAT(rig_->Create(topic), IsOk());
  SubscriptionModel::Rules rules;
  rules.queue = kind == v1::Subscription::KIND_QUEUE;
  rules.ordered_by_key = ordered_by_key;
  rules.max_attempts = OneIn(3) ? 0 : static_cast<uint32_t>(Int(1, 4));
  rules.ack_deadline = rules.queue || OneIn(2) ? kTick * Int(10, 100) : 0;
  model_ = std::make_unique<SubscriptionModel>(rules, topic.partitions());
  v1::Subscription subscription = SubscriptionOf("s", "t", kind);
  subscription.set_ordered_by_key(ordered_by_key);
  subscription.set_max_delivery_attempts(rules.max_attempts);
  if (rules.ack_deadline > 0) {
    *subscription.mutable_ack_deadline() = ToProto(absl::Microseconds(rules.ack_deadline));
  }
  acks_synced_ = OneIn(2);
  subscription.set_ack_durability(acks_synced_ ? v1::DURABILITY_SYNCED : v1::DURABILITY_WRITTEN);
  ASSERT_THAT(rig_->Subscribe(subscription), IsOk());
  Observe();
}

// ---- Looking

void SubscriptionModelTest::AwaitParked() {
  if (!std::exchange(model_->parked, false)) return;
  rig_->AwaitParking("s");
  Barrier();
}

void SubscriptionModelTest::Observe() {
  AwaitParked();
  const v1::GetSubscriptionResponse hub = rig_->Get("s");
  for (const v1::SubscriptionPartition& partition : hub.partitions()) {
    int owner = 0;
    if (!partition.consumer().empty()) {
      ASSERT_TRUE(absl::SimpleAtoi(partition.consumer().substr(1), &owner));
    }
    model_->Observe(partition, owner);
  }
  AwaitParked();  // Events whose lease was seen to end.
}

void SubscriptionModelTest::Barrier() {
  v1::Subscription same = SubscriptionOf("s", "t", v1::Subscription::KIND_UNSPECIFIED);
  ASSERT_THAT(rig_->UpdateSubscription(same, {"description"}), IsOk());
  model_->MarkSure();
}

stored::Snapshot SubscriptionModelTest::HubState() {
  const auto subscription = rig_->subscriptions().catalog().Find("s");
  SnapshotWork work;
  while (!work.done()) subscription->TakeSnapshot(work);
  stored::Snapshot snapshot;
  EXPECT_TRUE(snapshot.ParseFromString(work.Encoded()));
  return snapshot;
}

void SubscriptionModelTest::Check() {
  Observe();
  PollAll();
  Observe();
  PollAll();  // Events of a partition that moved meanwhile.
  // A consumer that was not woken has nothing to receive, unless it waits for credit in bytes: then
  // it is woken when it has some back.
  constexpr int64_t kLargest = 400;
  for (auto& [id, client] : clients_) {
    const SubscriptionModel::Consumer& state = model_->consumers.at(id);
    const bool enough = state.out_events == 0 || state.credit_bytes - state.out_bytes >= kLargest;
    const bool woken = client.consumer->woken();
    ASSERT_THAT(client.consumer->PollAnyway(), IsOk());
    ASSERT_TRUE(woken || !enough || client.consumer->events.empty())
        << "consumer " << id << " was not woken for " << client.consumer->events.front();
    TakeEvents(id);
    EXPECT_EQ(client.consumer->ended(), state.leaving && state.out_events == 0) << id;
  }
  Observe();
  model_->Compare(HubState());
  const v1::GetSubscriptionResponse hub = rig_->Get("s");
  EXPECT_EQ(hub.stats().lag_events(), static_cast<uint64_t>(model_->Lag()));
  EXPECT_EQ(hub.stats().replay_events(), static_cast<uint64_t>(model_->Extras()));
  EXPECT_EQ(hub.stats().lost_events(), static_cast<uint64_t>(model_->lost));
  int64_t out = 0;
  for (const auto& [id, state] : model_->consumers) out += state.out_events;
  EXPECT_EQ(hub.stats().in_flight_events(), static_cast<uint64_t>(out));
  std::multiset<SubscriptionModel::Letter> letters;
  for (const v1::DeadLetter& letter : rig_->DeadLetters("s")) {
    letters.emplace(letter.source_partition(), letter.source_offset(), letter.attempts());
    const std::vector<SubscriptionModel::Event>& events =
        model_->partitions[letter.source_partition()].events;
    EXPECT_EQ(letter.event().id(), events[static_cast<size_t>(letter.source_offset())].id);
  }
  EXPECT_EQ(letters, model_->letters);
  EXPECT_EQ(hub.stats().open_dead_letters(), letters.size());
}

void SubscriptionModelTest::TakeEvents(int id) {
  Client& client = clients_.at(id);
  std::vector<Received> events(client.consumer->events.begin(), client.consumer->events.end());
  client.consumer->events.clear();
  for (const Received& event : events) {
    model_->Deliver(id, event);
    if (HasFatalFailure()) return;
    ++delivered_;
    client.had.push_back(event);
  }
  if (client.had.size() > 200) client.had.erase(client.had.begin(), client.had.begin() + 100);
}

void SubscriptionModelTest::Poll(int id, int frames) {
  ASSERT_THAT(clients_.at(id).consumer->Poll(frames), IsOk());
  TakeEvents(id);
}

void SubscriptionModelTest::PollAll() {
  for (bool woken = true; woken && !HasFailure();) {
    woken = false;
    for (auto& [id, client] : clients_) {
      if (!client.consumer->woken() || client.consumer->ended()) continue;
      woken = true;
      Poll(id, 1);
      if (HasFailure()) return;
    }
  }
}

// ---- Doing

int SubscriptionModelTest::AnyClient() {
  if (clients_.empty()) return 0;
  return std::next(clients_.begin(), Int(0, static_cast<int64_t>(clients_.size()) - 1))->first;
}

void SubscriptionModelTest::Publish() {
  v1::PublishStreamRequest request;
  request.set_topic("t");
  const auto p = static_cast<uint32_t>(Int(0, static_cast<int64_t>(model_->partitions.size()) - 1));
  request.set_partition(p);
  const int64_t count = OneIn(10) ? Int(1, 100) : Int(1, 8);
  for (int64_t i = 0; i < count; ++i) {
    const std::string id = absl::StrCat("e", ++published_);
    const std::string key = OneIn(4) ? "" : absl::StrCat("k", Int(1, 5));
    const v1::Event event = MakeEvent(id, key, std::string(Int(0, 100), 'x'));
    *request.add_events() = event;
    model_->Publish(p, id, key, EncodeEvent(event).size());
  }
  ASSERT_THAT(rig_->BrokerRig::Publish(request), IsOk());
  model_->MarkSure();
}

void SubscriptionModelTest::Open() {
  if (clients_.size() >= 4) return;
  const int id = ++last_client_;
  SubscriptionModel::Consumer state;
  v1::ConsumeRequest first;
  first.mutable_open()->set_subscription("s");
  first.mutable_open()->set_consumer(absl::StrCat("c", id));
  if (OneIn(3)) first.mutable_open()->set_max_response_bytes(4096);
  if (!OneIn(3)) {
    state.credit_events = Int(1, 20);
    state.credit_bytes = OneIn(2) ? Int(1, 2000) : int64_t{16} << 20;
    first.mutable_credit()->set_events(static_cast<uint32_t>(state.credit_events));
    first.mutable_credit()->set_bytes(static_cast<uint64_t>(state.credit_bytes));
  }
  absl::StatusOr<std::unique_ptr<TestConsumer>> consumer =
      TestConsumer::Open(rig_->broker(), first);
  ASSERT_THAT(consumer, IsOk());
  clients_[id].consumer = *std::move(consumer);
  model_->Open(id, state);
}

void SubscriptionModelTest::Close(int id) {
  if (!clients_.contains(id)) return;
  clients_.erase(id);
  model_->Close(id);
}

void SubscriptionModelTest::LeaveOne() {
  const int id = AnyClient();
  if (id == 0 || model_->consumers.at(id).leaving) return;
  Poll(id, 1 << 30);  // Available events may still be delivered.
  clients_.at(id).consumer->Leave();
  model_->consumers.at(id).leaving = true;
}

void SubscriptionModelTest::SetCredit() {
  const int id = AnyClient();
  if (id == 0) return;
  SubscriptionModel::Consumer& state = model_->consumers.at(id);
  state.credit_events = Int(0, 20);
  state.credit_bytes = OneIn(2) ? Int(0, 2000) : int64_t{16} << 20;
  clients_.at(id).consumer->SetCredit(static_cast<uint32_t>(state.credit_events),
                                      static_cast<uint64_t>(state.credit_bytes));
}

SubscriptionModelTest::Target SubscriptionModelTest::PickTarget(int id) {
  Target target;
  const auto out = model_->OutAt(id);
  const Client& client = clients_.at(id);
  if (!out.empty() && !OneIn(10)) {
    const auto& [p, offset] = Pick(out);
    target.partition = p;
    target.epoch = model_->partitions[p].epoch;
    target.from = offset;
  } else if (!client.had.empty()) {
    // An event that it had once, under the epoch of that time.
    const Received& event = Pick(client.had);
    target.partition = event.partition;
    target.epoch = event.epoch;
    target.from = event.offset;
  } else {
    target.partition =
        static_cast<uint32_t>(Int(0, static_cast<int64_t>(model_->partitions.size()) - 1));
    target.epoch = model_->partitions[target.partition].epoch + static_cast<uint64_t>(Int(0, 1));
  }
  if (OneIn(10)) target.from = std::max<int64_t>(0, target.from - Int(1, 10));
  target.to = target.from + (OneIn(2) ? 1 : Int(1, 15));
  return target;
}

void SubscriptionModelTest::SettleOne() {
  const int id = AnyClient();
  if (id == 0 || clients_.at(id).consumer->ended()) return;
  Poll(id, 1 << 30);
  if (HasFailure() || clients_.at(id).consumer->ended()) return;
  const Target target = PickTarget(id);
  const auto [p, epoch, from, to] = target;
  v1::ConsumeRequest request;
  Offsets refused;
  const auto fill = [&](auto& part) {
    part.set_partition(target.partition);
    part.set_lease_epoch(target.epoch);
    v1::OffsetRange& range = *part.add_ranges();
    range.set_start(target.from);
    range.set_end(target.to);
  };
  const int64_t what = Int(1, 20);
  if (what <= 10) {
    fill(*request.add_acks());
    refused = model_->Ack(id, p, epoch, from, to);
  } else if (what <= 12) {
    v1::LeaseExtension& extension = *request.add_extensions();
    fill(extension);
    const int64_t time = kTick * Int(1, 200);
    *extension.mutable_extension() = ToProto(absl::Microseconds(time));
    refused = model_->Extend(id, p, epoch, from, to, time);
  } else {
    v1::Nack& nack = *request.add_nacks();
    fill(nack);
    nack.set_reason(absl::StrCat("reason ", Int(1, 3)));
    if (what <= 17) {
      const int64_t delay = OneIn(2) ? 0 : kTick * Int(1, 50);
      nack.set_action(v1::Nack::ACTION_RETRY);
      *nack.mutable_retry_after() = ToProto(absl::Microseconds(delay));
      refused = model_->Retry(id, p, epoch, from, to, delay);
    } else if (what <= 19) {
      nack.set_action(v1::Nack::ACTION_PARK);
      refused = model_->Park(id, p, epoch, from, to);
    } else {
      nack.set_action(v1::Nack::ACTION_SKIP);
      refused = model_->Skip(id, p, epoch, from, to);
    }
  }
  SettleAndCompare(id, std::move(request), refused);
}

void SubscriptionModelTest::SettleAndCompare(int id, v1::ConsumeRequest request,
                                             const Offsets& refused) {
  const std::string described = request.ShortDebugString();
  const v1::Settlement settlement = clients_.at(id).consumer->Settle(std::move(request));
  if (acks_synced_) model_->MarkSure();
  EXPECT_EQ(RefusedOffsets(settlement), refused) << "consumer " << id << ": " << described;
  Observe();
  TakeEvents(id);
}

void SubscriptionModelTest::PassTime() {
  PollAll();  // Ready events are delivered under the old deadline.
  const int64_t time = kTick * (OneIn(5) ? Int(1, 400) : Int(1, 20));
  model_->now += time;
  rig_->Pass(absl::Microseconds(time));
  model_->Expire();
}

void SubscriptionModelTest::Trim() {
  const int64_t keep = kTick * Int(0, 300);
  std::vector<int64_t> starts;
  bool moves = false;
  for (SubscriptionModel::Partition& partition : model_->partitions) {
    int64_t start = partition.start;
    while (start < static_cast<int64_t>(partition.events.size()) &&
           partition.events[static_cast<size_t>(start)].append_time < model_->now - keep) {
      ++start;
    }
    moves |= start != partition.start;
    starts.push_back(start);
  }
  if (!moves) return;
  PollAll();
  model_->now += absl::ToInt64Microseconds(absl::Seconds(1));
  rig_->Trim("t", absl::Microseconds(keep), starts);
  for (uint32_t p = 0; p < starts.size(); ++p) model_->Trim(p, starts[p]);
  rig_->Pass(absl::ZeroDuration());
  model_->Expire();
}

void SubscriptionModelTest::Pause() {
  v1::Subscription subscription = SubscriptionOf("s", "t", v1::Subscription::KIND_UNSPECIFIED);
  subscription.set_paused(!model_->paused);
  ASSERT_THAT(rig_->UpdateSubscription(subscription, {"paused"}), IsOk());
  model_->paused = subscription.paused();
}

void SubscriptionModelTest::Seek() {
  v1::SeekSubscriptionRequest request;
  request.set_name("s");
  std::map<uint32_t, int64_t> places;
  std::string snapshot;
  const int64_t how = Int(1, 4);
  if (how == 1) {
    const bool latest = OneIn(2);
    if (latest) {
      request.mutable_start()->set_latest(true);
    } else {
      request.mutable_start()->set_earliest(true);
    }
    for (uint32_t p = 0; p < model_->partitions.size(); ++p) {
      places[p] = latest ? EndOf(p) : StartOf(p);
    }
  } else if (how == 2 && !snapshots_.empty()) {
    snapshot =
        std::next(snapshots_.begin(), Int(0, static_cast<int64_t>(snapshots_.size()) - 1))->first;
    request.set_snapshot(snapshot);
  } else {
    const auto p =
        static_cast<uint32_t>(Int(0, static_cast<int64_t>(model_->partitions.size()) - 1));
    places[p] = Int(StartOf(p), EndOf(p));
    v1::PartitionOffset& offset = *request.add_offsets();
    offset.set_partition(p);
    offset.set_offset(places[p]);
  }
  request.set_dry_run(true);
  const auto dry = rig_->Seek(request);
  request.set_dry_run(false);
  const auto moved = rig_->Seek(request);
  ASSERT_THAT(moved, IsOk());
  ASSERT_THAT(dry, IsOk());
  EXPECT_EQ(dry->ShortDebugString(), moved->ShortDebugString());
  if (!snapshot.empty()) {
    model_->Restore(snapshots_.at(snapshot));
  } else {
    for (const auto& [p, to] : places) model_->Seek(p, to);
  }
  const v1::GetSubscriptionResponse hub = rig_->Get("s");
  for (const v1::PartitionMove& move : moved->moves()) {
    for (const v1::SubscriptionPartition& partition : hub.partitions()) {
      if (partition.partition() != move.partition()) continue;
      EXPECT_EQ(partition.acked_offset(), move.to_offset()) << move.ShortDebugString();
      EXPECT_EQ(partition.lag_events(), move.lag_after()) << move.ShortDebugString();
    }
  }
  Observe();
  model_->MarkSure();
}

void SubscriptionModelTest::Replay() {
  if (OneIn(4)) {
    const auto cancelled = rig_->CancelReplays("s");
    ASSERT_THAT(cancelled, IsOk());
    EXPECT_EQ(cancelled->events(), static_cast<uint64_t>(model_->CancelReplays()));
    model_->MarkSure();
    return;
  }
  const auto p = static_cast<uint32_t>(Int(0, static_cast<int64_t>(model_->partitions.size()) - 1));
  v1::ReplaySubscriptionRequest request;
  request.set_name("s");
  request.add_partitions(p);
  const int64_t from = Int(StartOf(p), EndOf(p));
  const int64_t to = from + Int(0, 30);
  request.mutable_start()->set_offset(from);
  request.set_stop_offset(to);
  request.set_dry_run(true);
  const auto dry = rig_->Replay(request);
  request.set_dry_run(false);
  const auto replayed = rig_->Replay(request);
  ASSERT_THAT(replayed, IsOk());
  ASSERT_THAT(dry, IsOk());
  EXPECT_EQ(dry->ShortDebugString(), replayed->ShortDebugString());
  EXPECT_EQ(replayed->events(), static_cast<uint64_t>(model_->Replay(p, from, to)));
  model_->MarkSure();
}

void SubscriptionModelTest::Snapshot() {
  const std::string name = absl::StrCat("snapshot", Int(1, 3));
  if (snapshots_.contains(name)) {
    ASSERT_THAT(rig_->DeleteSnapshot("s", name), IsOk());
    snapshots_.erase(name);
  } else {
    ASSERT_THAT(rig_->CreateSnapshot("s", name), IsOk());
    snapshots_.emplace(name, *model_);
  }
  model_->MarkSure();
}

void SubscriptionModelTest::CloseLetters() {
  std::vector<v1::DeadLetter> letters = rig_->DeadLetters("s");
  if (letters.empty()) return;
  const bool all = OneIn(3);
  v1::RedriveDeadLettersRequest redrive;
  redrive.set_subscription("s");
  redrive.mutable_selector();
  if (!all) {
    letters = {Pick(letters)};
    v1::DeadLetterRange& range = *redrive.mutable_selector()->add_ranges();
    range.set_partition(letters[0].partition());
    range.mutable_range()->set_start(letters[0].offset());
    range.mutable_range()->set_end(letters[0].offset() + 1);
  }
  uint64_t events = 0;
  const bool discard = OneIn(3);
  if (discard) {
    v1::DiscardDeadLettersRequest request;
    request.set_subscription("s");
    *request.mutable_selector() = redrive.selector();
    const auto response = rig_->Discard(request);
    ASSERT_THAT(response, IsOk());
    events = response->events();
  } else {
    const auto response = rig_->Redrive(redrive);
    ASSERT_THAT(response, IsOk());
    events = response->events();
  }
  uint64_t closed_letters = 0;
  for (const v1::DeadLetter& letter : letters) {
    const SubscriptionModel::Letter closed{letter.source_partition(), letter.source_offset(),
                                           letter.attempts()};
    const auto it = model_->letters.find(closed);
    ASSERT_NE(it, model_->letters.end());
    if (!discard && !model_->Redrive(closed)) continue;
    model_->letters.erase(it);
    ++closed_letters;
  }
  EXPECT_EQ(events, closed_letters);
  model_->MarkSure();
}

void SubscriptionModelTest::Reopen() {
  const int64_t fate = Int(1, 4);
  Observe();
  // The results of replays are not checked below.
  bool extras = model_->Extras() > 0;
  for (const auto& partition : model_->partitions) {
    for (const auto& event : partition.events) extras |= event.delivered && !event.surely_done;
  }
  if (fate > 2 && (OneIn(2) || extras)) Barrier();
  if (fate == 3) rig_->disk.FailWrites(FaultEnv::Fault::kIoError);  // kill -9
  if (fate == 4) rig_->disk.Cut();
  for (const auto& [id, client] : clients_) {
    client.consumer->session().Close(Subscription::Ended::kByHub);
  }
  clients_.clear();
  model_->Reopen();
  rig_->Close();
  if (fate == 3) rig_->disk.FailWrites(FaultEnv::Fault::kNone);
  if (fate == 4) rig_->disk.Forget();
  ASSERT_THAT(rig_->Open(), IsOk());
  rig_->AwaitParking("s");
  rig_->Get("s");
  if (fate > 2) model_->Adopt(HubState(), /*acks_are_sure=*/fate == 3);
  Observe();
  Barrier();
}

void SubscriptionModelTest::Step() {
  const int64_t what = Int(1, 100);
  if (what <= 15) {
    Publish();
  } else if (what <= 20) {
    Open();
  } else if (what <= 22) {
    Close(AnyClient());
  } else if (what <= 24) {
    LeaveOne();
  } else if (what <= 65) {
    SettleOne();
  } else if (what <= 69) {
    SetCredit();
  } else if (what <= 77) {
    PassTime();
  } else if (what <= 79) {
    Trim();
  } else if (what <= 81) {
    Pause();
  } else if (what <= 82) {
    Seek();
  } else if (what <= 84) {
    Replay();
  } else if (what <= 85) {
    Snapshot();
  } else if (what <= 87) {
    CloseLetters();
  } else if (what <= 88) {
    Reopen();
  } else if (const int id = AnyClient(); id != 0) {
    Poll(id, static_cast<int>(Int(1, 3)));
  }
  if (HasFailure()) return;
  Observe();
  if (OneIn(5)) Check();
  for (auto it = clients_.begin(); it != clients_.end();) {
    const int id = it->first;
    const bool ended = it->second.consumer->ended();
    ++it;
    if (ended) Close(id);
  }
}

// With consumers that settle everything, everything is settled in the end.
void SubscriptionModelTest::FinishAll() {
  if (model_->paused) Pause();
  while (!clients_.empty()) Close(clients_.begin()->first);
  Observe();
  for (int i = 0; i < 2; ++i) {
    const int id = ++last_client_;
    clients_[id].consumer = rig_->Consume("s", absl::StrCat("c", id));
    model_->Open(id, {});
  }
  Observe();
  for (int round = 0; model_->Lag() + model_->Extras() > 0; ++round) {
    ASSERT_LT(round, 10'000) << model_->Lag() << " live events and " << model_->Extras()
                             << " others are not settled";
    bool any = false;
    PollAll();
    for (auto& [id, client] : clients_) {
      const auto out = model_->OutAt(id);
      if (out.empty()) continue;
      any = true;
      const auto [p, offset] = out.front();
      const uint64_t epoch = model_->partitions[p].epoch;
      v1::ConsumeRequest request;
      v1::Ack& ack = *request.add_acks();
      ack.set_partition(p);
      ack.set_lease_epoch(epoch);
      Offsets refused;
      for (const auto& [partition, o] : out) {
        if (partition != p) continue;
        v1::OffsetRange& range = *ack.add_ranges();
        range.set_start(o);
        range.set_end(o + 1);
        const Offsets more = model_->Ack(id, p, epoch, o, o + 1);
        refused.insert(refused.end(), more.begin(), more.end());
      }
      SettleAndCompare(id, std::move(request), refused);
    }
    if (HasFailure()) return;
    if (!any) PassTime();
    Observe();
  }
  Check();
  for (const auto& partition : model_->partitions) {
    for (size_t o = static_cast<size_t>(partition.start); o < partition.events.size(); ++o) {
      EXPECT_EQ(partition.events[o].where, SubscriptionModel::Where::kDone);
    }
  }
}

void SubscriptionModelTest::Run(v1::Subscription::Kind kind, bool ordered_by_key) {
  for (int run = 0; run < Steps(2000) / 250; ++run) {
    Start(kind, ordered_by_key);
    for (int step = 0; step < 250 && !HasFailure(); ++step) {
      SCOPED_TRACE(absl::StrCat("run ", run, ", step ", step));
      Step();
    }
    SCOPED_TRACE(absl::StrCat("end of run ", run));
    if (!HasFailure()) FinishAll();
    if (HasFailure()) break;
  }
  clients_.clear();
  EXPECT_GT(delivered_, 0);
}

TEST_F(SubscriptionModelTest, StreamMatchesModel) { Run(v1::Subscription::KIND_STREAM, false); }
TEST_F(SubscriptionModelTest, QueueMatchesModel) { Run(v1::Subscription::KIND_QUEUE, false); }
TEST_F(SubscriptionModelTest, OrderedQueueMatchesModel) { Run(v1::Subscription::KIND_QUEUE, true); }

}  // namespace
}  // namespace eventhub
