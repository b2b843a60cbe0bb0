#include "server/core/topic/producer_table.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "storage/base/status_macros.h"
#include "storage/key_codec.h"

namespace eventhub {
namespace {

constexpr uint32_t kProducerRecordVersion = 1;
constexpr size_t kRecordHeader = 28;

// The maximum number of producers of one topic in memory; others are loaded again on their next
// request.
constexpr size_t kMaxInMemory = 1000;

// The memory of a producer, and of each request, in addition to names and results.
constexpr size_t kProducerOverhead = 200;
constexpr size_t kRequestOverhead = 40;

struct StoredRequest {
  uint64_t epoch;
  uint64_t sequence;
  absl::Time time;
  std::string result;
};

std::string Encode(const StoredRequest& request) {
  std::string value;
  AppendLittle32(&value, kProducerRecordVersion);
  AppendLittle64(&value, request.epoch);
  AppendLittle64(&value, request.sequence);
  AppendLittle64(&value, static_cast<uint64_t>(absl::ToUnixMicros(request.time)));
  value += request.result;
  return value;
}

absl::StatusOr<StoredRequest> Decode(absl::string_view value) {
  if (value.size() < kRecordHeader || LoadLittle32(value.data()) != kProducerRecordVersion) {
    return absl::DataLossError(absl::StrCat("producer record of ", value.size(),
                                            " bytes does not have version ",
                                            kProducerRecordVersion));
  }
  const auto micros = static_cast<int64_t>(LoadLittle64(value.data() + 20));
  return StoredRequest{LoadLittle64(value.data() + 4), LoadLittle64(value.data() + 12),
                       absl::FromUnixMicros(micros), std::string(value.substr(kRecordHeader))};
}

}  // namespace

size_t ProducerTable::BytesOf(const Request& request) {
  return kRequestOverhead + request.result.size();
}

size_t ProducerTable::BytesOf(const Producer& producer) {
  size_t bytes = kProducerOverhead + producer.id.size();
  for (const Request& request : producer.requests) bytes += BytesOf(request);
  return bytes;
}

ProducerTable::~ProducerTable() {
  if (meter_ != nullptr) meter_->Release(bytes_);
}

absl::StatusOr<absl::Time> ProducerTable::TimeOfRecord(absl::string_view value) {
  ASSIGN_OR_RETURN(const StoredRequest request, Decode(value));
  return request.time;
}

absl::StatusOr<bool> ProducerTable::Admit(const ProducerRequest& request,
                                          const CommitBuilder& commit, v1::PublishResult* result) {
  ASSIGN_OR_RETURN(const Producer* const producer, Find(request.id, commit.now()));
  if (producer == nullptr) {
    if (request.sequence != 0) return UnknownProducer(request.id, request.sequence);
    return true;
  }
  if (request.epoch < producer->epoch) {
    return StaleEpoch(request.id, request.epoch, producer->epoch);
  }
  const uint64_t expected = request.epoch > producer->epoch ? 0 : producer->next_sequence;
  if (request.sequence > expected) return SequenceGap(request.id, request.sequence, expected);
  if (request.sequence == expected) return true;
  for (const Request& known : producer->requests) {
    if (known.sequence != request.sequence) continue;
    if (!result->ParseFromString(known.result)) {
      return absl::DataLossError(absl::StrCat("producer ", request.id, ": the record of sequence ",
                                              request.sequence, " is damaged"));
    }
    result->set_duplicate(true);
    return false;
  }
  return SequenceTooOld(request.id, request.sequence, expected);
}

void ProducerTable::Record(const ProducerRequest& request, const v1::PublishResult& result,
                           CommitBuilder& commit) {
  const auto it = by_id_.find(request.id);
  if (it != by_id_.end()) order_.splice(order_.end(), order_, it->second);
  Producer& producer =
      it != by_id_.end() ? *it->second : Insert(Producer(request.id), commit.now());
  if (request.epoch > producer.epoch) {
    producer.epoch = request.epoch;
    producer.requests.clear();
    SetBytes(producer, BytesOf(producer));
  }
  producer.next_sequence = request.sequence + 1;
  producer.last_active = producer.changed = commit.now();
  producer.requests.push_back({request.sequence, result.SerializeAsString()});
  size_t bytes = producer.bytes + BytesOf(producer.requests.back());
  if (producer.requests.size() > kWindow) {
    bytes -= BytesOf(producer.requests.front());
    producer.requests.pop_front();
  }
  SetBytes(producer, bytes);
  MakeRoom(commit.now());

  std::string key = ProducerPrefix(topic_, request.id);
  key.push_back(static_cast<char>(request.sequence % kWindow));
  commit.Put(
      Column::kProducers, key,
      Encode({request.epoch, request.sequence, commit.now(), producer.requests.back().result}));
}

absl::StatusOr<ProducerTable::Producer*> ProducerTable::Find(absl::string_view id, absl::Time now) {
  ++looked_at_;
  const auto it = by_id_.find(id);
  if (it != by_id_.end()) return it->second->requests.empty() ? nullptr : &*it->second;
  ASSIGN_OR_RETURN(Producer producer, Load(id));
  if (producer.requests.empty()) return nullptr;
  return &Insert(std::move(producer), now);
}

absl::StatusOr<ProducerTable::Producer> ProducerTable::Load(absl::string_view id) {
  std::vector<StoredRequest> stored;
  absl::Status damage;
  RETURN_IF_ERROR(store_.Scan(Column::kProducers, ProducerPrefix(topic_, id),
                              [&](absl::string_view, absl::string_view value) {
                                ++looked_at_;
                                absl::StatusOr<StoredRequest> request = Decode(value);
                                damage = request.status();
                                if (damage.ok()) stored.push_back(*std::move(request));
                                return damage.ok();
                              }));
  RETURN_IF_ERROR(damage);
  // Slots that the newest epoch has not reached yet still hold requests of earlier epochs.
  Producer producer(id);
  for (const StoredRequest& request : stored) {
    producer.epoch = std::max(producer.epoch, request.epoch);
  }
  std::sort(stored.begin(), stored.end(),
            [](const StoredRequest& a, const StoredRequest& b) { return a.sequence < b.sequence; });
  for (StoredRequest& request : stored) {
    if (request.epoch != producer.epoch) continue;
    producer.next_sequence = request.sequence + 1;
    producer.last_active = std::max(producer.last_active, request.time);
    producer.requests.push_back({request.sequence, std::move(request.result)});
  }
  return producer;
}

ProducerTable::Producer& ProducerTable::Insert(Producer producer, absl::Time now) {
  MakeRoom(now);
  order_.push_back(std::move(producer));
  by_id_.emplace(order_.back().id, std::prev(order_.end()));
  SetBytes(order_.back(), BytesOf(order_.back()));
  return order_.back();
}

void ProducerTable::SetBytes(Producer& producer, size_t bytes) {
  bytes_ += bytes;
  bytes_ -= producer.bytes;
  if (meter_ != nullptr) {
    meter_->Add(bytes);
    meter_->Release(producer.bytes);
  }
  producer.bytes = bytes;
}

// Producers that the current commit changed are not in the store yet, and stay.
void ProducerTable::MakeRoom(absl::Time now) {
  const size_t most = meter_ == nullptr ? SIZE_MAX : meter_->Allowance();
  while ((order_.size() >= kMaxInMemory || bytes_ > most) && order_.size() > 1 &&
         order_.front().changed != now) {
    DropOldest();
  }
}

void ProducerTable::Forget(Order::iterator producer) {
  bytes_ -= producer->bytes;
  if (meter_ != nullptr) meter_->Release(producer->bytes);
  by_id_.erase(producer->id);
  order_.erase(producer);
}

void ProducerTable::DropOldest() {
  ++looked_at_;
  Forget(order_.begin());
}

absl::Status ProducerTable::Expire(absl::string_view id, absl::Time since, CommitBuilder& commit) {
  while (!order_.empty() && order_.front().requests.empty() &&
         order_.front().changed != commit.now()) {
    DropOldest();  // It is deleted from the store, too.
  }
  ++looked_at_;
  const auto it = by_id_.find(id);
  if (it != by_id_.end() && it->second->last_active >= since) return absl::OkStatus();
  // An idle producer did not change in this commit, so the store has its whole state.
  std::vector<std::string> keys;
  absl::Time last_active = absl::InfinitePast();
  absl::Status damage;
  RETURN_IF_ERROR(store_.Scan(Column::kProducers, ProducerPrefix(topic_, id),
                              [&](absl::string_view key, absl::string_view value) {
                                ++looked_at_;
                                const absl::StatusOr<absl::Time> time = TimeOfRecord(value);
                                damage = time.status();
                                if (!damage.ok()) return false;
                                last_active = std::max(last_active, *time);
                                keys.emplace_back(key);
                                return true;
                              }));
  RETURN_IF_ERROR(damage);
  if (last_active >= since) return absl::OkStatus();
  // Key by key: a range delete would slow down every later read of the column.
  for (const std::string& key : keys) commit.Delete(Column::kProducers, key);
  // Until the commit is in the store, a load would still find the producer.
  if (it != by_id_.end()) Forget(it->second);
  order_.emplace_front(id);
  order_.front().last_active = order_.front().changed = commit.now();
  by_id_.emplace(order_.front().id, order_.begin());
  SetBytes(order_.front(), BytesOf(order_.front()));
  return absl::OkStatus();
}

}  // namespace eventhub
