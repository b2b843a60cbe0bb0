// Records of subscriptions with any content: a hub opens with them and can serve them, or reports
// that they are damaged.
#include <fuzzer/FuzzedDataProvider.h>

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "server/core/subscription/records.pb.h"
#include "storage/commit_builder.h"
#include "storage/key_codec.h"
#include "tests/fuzz/memory_broker.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

constexpr uint32_t kPartitions = 2;
constexpr int kEventsEach = 8;
constexpr size_t kMaxRecords = 12;
constexpr const char* kNames[] = {"stream", "queue", "by-key"};  // Their ids are 1, 2 and 3.

void CreateSubscription(Broker& broker, const std::string& name) {
  v1::CreateSubscriptionRequest request;
  v1::Subscription& settings = *request.mutable_subscription();
  settings.set_name(name);
  settings.set_topic("t");
  settings.set_kind(name == "stream" ? v1::Subscription::KIND_STREAM
                                     : v1::Subscription::KIND_QUEUE);
  settings.set_ordered_by_key(name == "by-key");
  settings.set_max_delivery_attempts(3);
  request.mutable_start()->set_earliest(true);
  std::promise<bool> created;
  broker.subscriptions().Create(kTester, request, [&](const absl::StatusOr<v1::Subscription>& s) {
    created.set_value(s.ok());
  });
  FUZZ_CHECK(created.get_future().get());
}

// A topic, some events in it, and subscriptions.
void Prepare(GatedMemory& memory) {
  const std::unique_ptr<Broker> broker = OpenMemoryBroker(memory).value();
  CreateTopic(*broker, "t", kPartitions);
  for (uint32_t p = 0; p < kPartitions; ++p) {
    v1::PublishRequest request;
    request.set_topic("t");
    request.set_partition(p);
    for (int e = 0; e < kEventsEach; ++e) {
      v1::Event& event = *request.add_events();
      event.set_id(std::to_string(e));
      event.set_source("/fuzz");
      event.set_type("fuzz");
      event.set_partition_key(std::to_string(e % 3));
    }
    const auto parsed = ParsePublishRequest(SharedBytes::Copy(request.SerializeAsString()));
    FUZZ_CHECK(parsed.ok() && Publish(*broker, *parsed).ok());
  }
  for (const char* name : kNames) CreateSubscription(*broker, name);
}

// The store, which stays open: opening it takes longer than everything else.
class Store {
 public:
  Store() {
    Prepare(memory_);
    LogStoreOptions options;
    options.directory = kMemoryDirectory;
    options.env = memory_.env();
    store_ = LogStore::Open(options).value();
    Visit([this](Column column, absl::string_view key, absl::string_view value) {
      records_.push_back({column, std::string(key), std::string(value)});
    });
  }

  LogStore& store() { return *store_; }

  // Restores the initial records in place of those left by earlier inputs.
  void Reset(CommitBuilder& commit) const {
    Visit([&](Column column, absl::string_view key, absl::string_view) {
      commit.Delete(column, key);
    });
    for (const Record& record : records_) commit.Put(record.column, record.key, record.value);
  }

 private:
  struct Record {
    Column column;
    std::string key;
    std::string value;
  };

  void Visit(absl::FunctionRef<void(Column, absl::string_view, absl::string_view)> visit) const {
    const auto visit_all = [&](Column column, absl::string_view prefix) {
      FUZZ_CHECK(store_
                     ->Scan(column, prefix,
                            [&](absl::string_view key, absl::string_view value) {
                              visit(column, key, value);
                              return true;
                            })
                     .ok());
    };
    visit_all(Column::kCursors, "");
    visit_all(Column::kMeta, kSubscriptionKeyPrefix);
    visit_all(Column::kMeta, kFaultKeyPrefix);
  }

  GatedMemory memory_;
  std::unique_ptr<LogStore> store_;
  std::vector<Record> records_;
};

// What a broker does with an open store.
class Hub {
 public:
  explicit Hub(LogStore& store)
      : store_(store), topics_(store, catalog_, cache_, SIZE_MAX, TopicLimits()) {
    FUZZ_CHECK(topics_.Load().ok());
    writer_ = std::make_unique<LogWriter>(store, cache_, Clock::System(), metrics_,
                                          [](const absl::Status&) { FUZZ_CHECK(false); });
    subscriptions_ =
        std::make_unique<Subscriptions>(store_, *writer_, Clock::System(), topics_, reads_, memory_,
                                        requests_, filters_, admin_log_, /*generation=*/1,
                                        /*run_alarm=*/true);
  }
  ~Hub() {
    subscriptions_->Stop();
    writer_.reset();
  }

  Subscriptions& subscriptions() { return *subscriptions_; }

 private:
  LogStore& store_;
  TailCache cache_{size_t{1} << 20};
  TopicCatalog catalog_;
  MemoryMeter filters_{size_t{1} << 20};
  Metrics metrics_;
  ReadCounters reads_{metrics_};
  TopicStore topics_;
  std::unique_ptr<LogWriter> writer_;
  MemoryMeter memory_{SIZE_MAX};
  HostShares requests_{SIZE_MAX};
  AdminLog admin_log_{[](const Caller&, absl::string_view) {}};
  std::unique_ptr<Subscriptions> subscriptions_;
};

// Returns an offset, usually a plausible one.
int64_t AnOffset(FuzzedDataProvider& input) {
  return input.ConsumeIntegralInRange(0, 9) == 0
             ? input.ConsumeIntegral<int64_t>()
             : input.ConsumeIntegralInRange<int64_t>(0, kEventsEach);
}

stored::DeadLetterPlace APlace(FuzzedDataProvider& input) {
  stored::DeadLetterPlace place;
  place.set_topic_id(input.ConsumeIntegralInRange<uint32_t>(0, 3));
  place.set_partition(input.ConsumeIntegralInRange<uint32_t>(0, 2));
  place.set_offset(AnOffset(input));
  return place;
}

// Mostly one of two.
std::string AFaultId(FuzzedDataProvider& input) {
  const size_t bytes = input.ConsumeIntegralInRange(0, 19) == 0 ? 3 : kFaultIdBytes;
  return std::string(bytes, input.ConsumeBool() ? 'a' : 'b');
}

stored::DeadLetter ALetter(FuzzedDataProvider& input, PartitionId partition) {
  stored::DeadLetter letter;
  letter.set_source_partition(partition.value());
  letter.set_source_offset(AnOffset(input));
  letter.set_time_micros(input.ConsumeIntegral<int64_t>());
  if (input.ConsumeBool()) {
    letter.set_fault_id(AFaultId(input));
    letter.set_failures(input.ConsumeIntegral<uint32_t>());
    letter.set_first_time_micros(input.ConsumeIntegral<int64_t>());
    letter.mutable_detail()->set_pipeline(input.ConsumeBool() ? "p" : "q");
  }
  return letter;
}

stored::Fault AFault(FuzzedDataProvider& input, PartitionId partition) {
  stored::Fault fault;
  fault.set_state(static_cast<stored::Fault::State>(input.ConsumeIntegralInRange(0, 3)));
  *fault.mutable_place() = APlace(input);
  fault.set_failures(input.ConsumeIntegral<uint32_t>());
  fault.set_close_time_micros(input.ConsumeIntegral<int64_t>());
  *fault.mutable_letter() = ALetter(input, partition);
  return fault;
}

stored::Range ARange(FuzzedDataProvider& input) {
  stored::Range range;
  range.set_count(static_cast<uint32_t>(AnOffset(input)));
  range.set_attempts(input.ConsumeIntegralInRange<uint32_t>(0, 4));
  if (input.ConsumeBool()) range.set_retry_time_micros(input.ConsumeIntegral<int64_t>());
  range.set_extra(input.ConsumeBool());
  if (input.ConsumeBool()) {
    *range.mutable_redriven_from() = APlace(input);
    if (input.ConsumeBool()) range.add_pipelines("p");
  }
  return range;
}

stored::Snapshot ASnapshot(FuzzedDataProvider& input) {
  stored::Snapshot snapshot;
  for (int i = input.ConsumeIntegralInRange(0, 3); i > 0; --i) {
    stored::SnapshotPartition& partition = *snapshot.add_partitions();
    partition.set_partition(input.ConsumeIntegralInRange<uint32_t>(0, kPartitions));
    partition.set_next_offset(AnOffset(input));
    for (int n = input.ConsumeIntegralInRange(0, 3); n > 0; --n) {
      partition.add_starts(AnOffset(input));
      partition.add_counts(static_cast<uint32_t>(AnOffset(input)));
      partition.add_attempts(input.ConsumeIntegralInRange<uint32_t>(0, 70'000));
    }
    if (input.ConsumeBool()) partition.add_starts(AnOffset(input));
  }
  return snapshot;
}

template <typename Record>
std::string Encode(Record record, FuzzedDataProvider& input) {
  record.set_version(input.ConsumeIntegralInRange(0, 19) == 0 ? 2 : 1);
  return record.SerializeAsString();
}

void AddRecord(FuzzedDataProvider& input, CommitBuilder& commit) {
  const SubscriptionId id(input.ConsumeIntegralInRange<uint32_t>(1, 4));
  const PartitionId partition(input.ConsumeIntegralInRange<uint32_t>(0, kPartitions));
  switch (input.ConsumeIntegralInRange(0, 7)) {
    case 0: {
      stored::Cursor cursor;
      cursor.set_next_offset(AnOffset(input));
      cursor.set_lost_events(input.ConsumeIntegral<uint64_t>());
      commit.Put(Column::kCursors, CursorKey(id, partition), Encode(cursor, input));
      break;
    }
    case 1:
    case 2:
      commit.Put(Column::kCursors, PendingKey(id, partition, Offset(AnOffset(input))),
                 Encode(ARange(input), input));
      break;
    case 3:
      commit.Put(Column::kCursors, SnapshotKey(id, "x"), Encode(ASnapshot(input), input));
      break;
    case 4: {
      const stored::DeadLetter letter = ALetter(input, partition);
      const TopicId topic(input.ConsumeIntegralInRange<uint32_t>(0, 3));
      commit.Put(Column::kCursors, DeadLetterKey(id, topic, partition, Offset(AnOffset(input))),
                 Encode(letter, input));
      break;
    }
    case 5: {
      const std::string key = input.ConsumeRandomLengthString(24);
      commit.Put(Column::kCursors, key, input.ConsumeRandomLengthString(64));
      break;
    }
    case 6:
      commit.Put(Column::kMeta, FaultKey(id, AFaultId(input)),
                 Encode(AFault(input, partition), input));
      break;
    default: {
      const std::string key = "u" + input.ConsumeRandomLengthString(5);
      commit.Put(Column::kMeta, key, input.ConsumeRandomLengthString(96));
    }
  }
}

// Consumes until there is nothing to deliver, which must happen for any records.
void Consume(Subscriptions& subscriptions, const std::string& name) {
  v1::ConsumeRequest first;
  first.mutable_open()->set_subscription(name);
  const auto session = subscriptions.OpenConsumer(kTester, first, [] {});
  if (!session.ok()) return;
  for (int step = 0;; ++step) {
    FUZZ_CHECK(step < 1000);
    ConsumeFrame frame;
    const absl::StatusOr<ConsumerSession::Step> next = (*session)->Poll(&frame);
    if (!next.ok() || *next == ConsumerSession::Step::kWait) return;
    FUZZ_CHECK(*next != ConsumerSession::Step::kEnd);
    if (*next == ConsumerSession::Step::kCold) (*session)->ReadCold(&frame);
    for (const Delivery& delivery : frame.deliveries) {
      FUZZ_CHECK(delivery.base.value() >= 0);
      v1::ConsumeRequest request;
      v1::Ack& ack = *request.add_acks();
      ack.set_partition(delivery.partition.value());
      ack.set_lease_epoch(delivery.lease_epoch);
      ack.add_ranges()->set_start(delivery.base.value());
      ack.mutable_ranges(0)->set_end(delivery.base.value() + delivery.count);
      FUZZ_CHECK((*session)->Take(request).ok());
    }
  }
}

void Administer(Subscriptions& subscriptions, const std::string& name) {
  v1::GetSubscriptionRequest get;
  get.set_name(name);
  subscriptions.Get(kTester, get).IgnoreError();
  subscriptions.List(kTester, {}).IgnoreError();
  subscriptions.snapshots().List(kTester, name).IgnoreError();
  v1::ListDeadLettersRequest list;
  list.set_subscription(name);
  subscriptions.dead_letters().List(kTester, list).IgnoreError();
  for (int state = v1::DeadLetter::STATE_OPEN; state <= v1::DeadLetter::STATE_DISCARDED; ++state) {
    list.mutable_selector()->add_states(static_cast<v1::DeadLetter::State>(state));
  }
  subscriptions.dead_letters().List(kTester, list).IgnoreError();
  subscriptions.dead_letters().ForgetClosed(absl::Now(), [] { return false; }).IgnoreError();
  v1::RedriveDeadLettersRequest redrive;
  redrive.set_subscription(name);
  redrive.mutable_selector();
  WorkPool pool(1);
  std::promise<void> redriven;
  subscriptions.dead_letters().Redrive(kTester, redrive, pool,
                                       [&](const auto&) { redriven.set_value(); });
  redriven.get_future().wait();
  v1::SeekSubscriptionRequest seek;
  seek.set_name(name);
  seek.set_snapshot("x");
  std::promise<void> sought;
  subscriptions.moves().Seek(kTester, seek, pool, [&](const auto&) { sought.set_value(); });
  sought.get_future().wait();
}

void Check(FuzzedDataProvider& input) {
  static Store* const store = new Store;
  {
    CommitBuilder commit(store->store(), absl::Now(), 0);
    store->Reset(commit);
    for (size_t i = 0; i < kMaxRecords && input.remaining_bytes() > 0; ++i) {
      AddRecord(input, commit);
    }
    FUZZ_CHECK(commit.Write(store->store()).ok());
  }
  Hub hub(store->store());
  const absl::Status loaded = hub.subscriptions().Load();
  if (!loaded.ok()) {
    FUZZ_CHECK(absl::IsDataLoss(loaded));
    return;
  }
  for (const char* name : kNames) {
    Consume(hub.subscriptions(), name);
    Administer(hub.subscriptions(), name);
    Consume(hub.subscriptions(), name);
  }
}

}  // namespace
}  // namespace eventhub

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  eventhub::Check(input);
  return 0;
}
