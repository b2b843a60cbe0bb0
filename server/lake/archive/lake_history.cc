#include "server/lake/archive/lake_history.h"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/base/errors.h"
#include "server/lake/manifest/catalog.h"
#include "server/lake/manifest/manifest.h"
#include "server/lake/object/object_reader.h"
#include "server/lake/store/open_store.h"
#include "storage/base/status_macros.h"

namespace eventhub {
namespace {

using lake::TopicIndex;

// What a call reads at most, unless it finds what it is to find.
constexpr int kMaxObjects = 16;
constexpr int kMaxFrames = 8;
constexpr int kMaxPassed = 20'000;  // Objects that have nothing that is wanted.

// The indexes of topics take at most this part of the memory, besides the one in use.
constexpr size_t kPartOfIndexes = 4;

// A frame is decoded ahead if it takes at most this part of the memory.
constexpr size_t kPartOfAhead = 4;
constexpr int kAheadThreads = 2;

// What decoding a frame takes besides the compressed bytes, for each byte of its lines: the lines,
// the events, and their batches.
constexpr size_t kDecodeFactor = 3;

absl::Status Explain(const ArchivedTopic& topic, const absl::Status& status) {
  if (DetailOf(status).has_value()) return status;
  switch (status.code()) {
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return LakeDamaged(topic.name, status.message());
    default:
      return LakeUnavailable(topic.name, status.message());
  }
}

// The first microsecond that is not before `time`.
int64_t MicrosFrom(absl::Time time) {
  const int64_t micros = absl::ToUnixMicros(time);
  return absl::FromUnixMicros(micros) < time ? micros + 1 : micros;
}

// The events of the partition in a frame; null if it has none of the range.
const lake::Run* RunOf(const lake::Frame& frame, PartitionId partition, Offset from, Offset to) {
  for (const lake::Run& run : frame.runs()) {
    if (run.partition() == partition.value() && Offset(run.last()) >= from &&
        Offset(run.first()) < to) {
      return &run;
    }
  }
  return nullptr;
}

size_t BytesToDecode(const lake::Frame& frame) {
  return frame.bytes() + kDecodeFactor * frame.raw_bytes();
}

std::string KeyOf(const std::string& object, const lake::Frame& frame) {
  return absl::StrCat(object, "@", frame.position());
}

bool MayHave(const lake::ObjectIndex& object, const lake::Frame& frame, const HistoryRange& range) {
  if (range.wants == nullptr || frame.types().empty()) return true;
  return std::any_of(frame.types().begin(), frame.types().end(), [&](uint32_t type) {
    return range.wants(object.types().Get(static_cast<int>(type)));
  });
}

}  // namespace

struct LakeHistory::TopicState {
  explicit TopicState(MemoryMeter& meter) : memory(meter) {}
  ~TopicState() { memory.Release(bytes); }

  MemoryMeter& memory;
  std::atomic<uint64_t> used{0};  // The number of the last use.
  std::atomic<size_t> bytes{0};   // Of the index, counted.
  Mutex mutex;                    // Held while the index is loaded.
  std::optional<lake::LakeTopic> place ABSL_GUARDED_BY(mutex);
  Index index ABSL_GUARDED_BY(mutex);
};

struct LakeHistory::Reading {
  HistoryPart part;
  size_t bytes = 0;
  size_t max_bytes = 0;
  int frames = 0;
  bool full = false;
};

absl::StatusOr<std::unique_ptr<LakeHistory>> LakeHistory::Open(
    const std::string& location, std::string hub, MemoryMeter& memory,
    std::shared_ptr<lake::StoreCalls> calls) {
  // As a writer does, so that the hub starts without its lake.
  ASSIGN_OR_RETURN(std::unique_ptr<lake::ObjectStore> store,
                   lake::OpenObjectStore(location, lake::StoreAccess::kWrite, std::move(calls)));
  return std::make_unique<LakeHistory>(std::move(store), std::move(hub), memory, kAheadThreads);
}

LakeHistory::LakeHistory(std::unique_ptr<lake::ObjectStore> store, std::string hub,
                         MemoryMeter& memory, int ahead_threads)
    : store_(std::move(store)),
      hub_(std::move(hub)),
      memory_(memory),
      cache_(memory),
      ahead_threads_(ahead_threads),
      ahead_pool_(ahead_threads) {}

LakeHistory::~LakeHistory() {
  if (ahead_threads_ > 0) Interrupt();
}

void LakeHistory::Interrupt() {
  cache_.Stop();
  store_->Interrupt();
}

std::shared_ptr<LakeHistory::TopicState> LakeHistory::StateOf(TopicId topic) {
  MutexLock lock(mutex_);
  std::shared_ptr<TopicState>& state = topics_[topic];
  if (state == nullptr) state = std::make_shared<TopicState>(memory_);
  state->used = ++uses_;
  return state;
}

void LakeHistory::DropIndexes(TopicId except) {
  std::vector<std::shared_ptr<TopicState>> dropped;  // Destroyed without the lock.
  MutexLock lock(mutex_);
  size_t bytes = 0;
  for (const auto& [id, state] : topics_) bytes += state->bytes;
  while (bytes > memory_.limit() / kPartOfIndexes && topics_.size() > 1) {
    const auto oldest =
        std::min_element(topics_.begin(), topics_.end(), [except](const auto& a, const auto& b) {
          return std::pair(a.first == except, a.second->used.load()) <
                 std::pair(b.first == except, b.second->used.load());
        });
    bytes -= oldest->second->bytes;
    dropped.push_back(std::move(oldest->second));
    topics_.erase(oldest);
  }
}

absl::StatusOr<LakeHistory::Index> LakeHistory::IndexOf(const ArchivedTopic& topic,
                                                        PartitionId partition, Offset upto,
                                                        bool again) {
  const std::shared_ptr<TopicState> state = StateOf(topic.id);
  const auto covers = [&](const TopicIndex& index) {
    const auto archived = index.Archived(partition.value());
    return archived.has_value() && Offset(archived->end) >= upto;
  };
  Index index;
  {
    MutexLock lock(state->mutex);
    if (state->index != nullptr && !again && covers(*state->index)) return state->index;
    ASSIGN_OR_RETURN(index, Load(topic, &state->place));
    const size_t bytes = index == nullptr ? 0 : index->bytes();
    memory_.Add(bytes);
    memory_.Release(state->bytes.exchange(bytes));
    state->index = index;
  }
  DropIndexes(topic.id);
  if (index == nullptr || covers(*index)) return index;
  const auto archived = index->Archived(partition.value());
  if (!archived.has_value()) return index;
  return LakeDamaged(
      topic.name,
      absl::StrCat(store_->Describe(), ", ", index->topic().directory,
                   ": the manifest has partition ", partition.value(), " up to offset ",
                   archived->end, " only, but this hub archived it up to ", upto.value()));
}

absl::StatusOr<LakeHistory::Index> LakeHistory::Load(const ArchivedTopic& topic,
                                                     std::optional<lake::LakeTopic>* place) {
  if (!place->has_value()) {
    const absl::StatusOr<lake::Catalog> catalog = lake::Catalog::Load(*store_);
    if (!catalog.ok()) return Explain(topic, catalog.status());
    const lake::CatalogEntry* const entry = catalog->Find({hub_, topic.id.value()});
    // After the hub was restored from a backup, a new topic may have the number of another one.
    if (entry == nullptr || entry->topic.name != topic.name) return Index();
    *place = entry->topic;
  }
  const absl::StatusOr<lake::Manifest> manifest = lake::Manifest::Load(*store_, **place);
  if (!manifest.ok()) return Explain(topic, manifest.status());
  return std::make_shared<const TopicIndex>(**place, *manifest);
}

absl::StatusOr<HistoryBounds> LakeHistory::Bounds(const ArchivedTopic& topic, PartitionId partition,
                                                  Offset upto) {
  ASSIGN_OR_RETURN(const Index index, IndexOf(topic, partition, upto, /*again=*/false));
  const auto archived = index == nullptr ? std::nullopt : index->Archived(partition.value());
  if (!archived.has_value()) return HistoryBounds{upto, upto};
  return HistoryBounds{Offset(archived->begin), Offset(archived->end)};
}

template <typename Result, typename Call>
absl::StatusOr<Result> LakeHistory::With(const ArchivedTopic& topic, const HistoryRange& range,
                                         Call call) {
  for (bool again : {false, true}) {
    ASSIGN_OR_RETURN(const Index index, IndexOf(topic, range.partition, range.to, again));
    if (index == nullptr || !index->Archived(range.partition.value()).has_value()) {
      return LakeDamaged(topic.name, absl::StrCat(store_->Describe(), " has nothing of partition ",
                                                  range.partition.value()));
    }
    absl::StatusOr<Result> result = call(*index);
    if (result.ok()) return result;
    if (again || !absl::IsNotFound(result.status())) return Explain(topic, result.status());
  }
  return absl::InternalError("unreachable");
}

absl::StatusOr<HistoryPart> LakeHistory::Read(const ArchivedTopic& topic, const HistoryRange& range,
                                              size_t max_bytes) {
  return With<HistoryPart>(
      topic, range, [&](const TopicIndex& index) { return ReadBy(index, range, max_bytes); });
}

absl::StatusOr<Offset> LakeHistory::SeekTime(const ArchivedTopic& topic, const HistoryRange& range,
                                             absl::Time time) {
  return With<Offset>(topic, range, [&](const TopicIndex& index) {
    return SeekBy(index, range, MicrosFrom(time));
  });
}

absl::StatusOr<HistoryPart> LakeHistory::ReadBy(const TopicIndex& index, const HistoryRange& range,
                                                size_t max_bytes) {
  Reading reading{.part = {}, .max_bytes = max_bytes};
  HistoryPart& part = reading.part;
  part.next = range.from;
  const absl::Span<const TopicIndex::Range> objects = index.Ranges(range.partition.value());
  auto at = std::partition_point(
      objects.begin(), objects.end(),
      [&range](const TopicIndex::Range& object) { return Offset(object.end) <= range.from; });
  int opened = 0;
  int passed = 0;
  for (; at != objects.end() && Offset(at->begin) < range.to; ++at) {
    const TopicIndex::Object& object = index.object(*at);
    if (!index.MayHave(object, range.wants)) {
      part.next = std::min(Offset(at->end), range.to);
      if (++passed == kMaxPassed) return part;
      continue;
    }
    if (++opened > kMaxObjects) return part;
    const std::string name = index.NameOf(object);
    const absl::StatusOr<std::shared_ptr<const lake::ObjectIndex>> opened_object =
        OpenObject(name, object);
    // What was read before comes first; the next call fails again.
    if (!opened_object.ok() && !part.batches.empty()) return part;
    RETURN_IF_ERROR(opened_object.status());
    RETURN_IF_ERROR(ReadObject(name, **opened_object, range, &reading));
    if (reading.full) return part;
    part.next = std::min(Offset(at->end), range.to);
  }
  part.next = range.to;
  return part;
}

absl::Status LakeHistory::ReadObject(const std::string& name, const lake::ObjectIndex& object,
                                     const HistoryRange& range, Reading* reading) {
  HistoryPart& part = reading->part;
  for (int number = 0; number < object.frames_size(); ++number) {
    const lake::Frame& frame = object.frames(number);
    const lake::Run* const run = RunOf(frame, range.partition, part.next, range.to);
    if (run == nullptr || !MayHave(object, frame, range)) continue;
    const bool enough = reading->bytes >= reading->max_bytes || reading->frames == kMaxFrames;
    if (enough && reading->frames > 0) {
      part.next = std::max(part.next, Offset(run->first()));
      reading->full = true;
      DecodeAhead(name, object, range, part.next, number);
      return absl::OkStatus();
    }
    const absl::StatusOr<std::shared_ptr<const HistoryFrame>> decoded = OpenFrame(name, frame);
    // What was read before comes first; the next call fails again.
    if (!decoded.ok() && !part.batches.empty()) {
      part.next = std::max(part.next, Offset(run->first()));
      reading->full = true;
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(decoded.status());
    ++reading->frames;
    const size_t before = part.batches.size();
    const Offset next = (*decoded)->Append(range.partition, part.next, range.to,
                                           reading->max_bytes - reading->bytes, &part.batches);
    for (size_t i = before; i < part.batches.size(); ++i) {
      reading->bytes += part.batches[i]->header.bytes;
    }
    part.next = next < range.to ? next : std::min(Offset(run->last() + 1), range.to);
    if (next < range.to) {
      reading->full = true;
      DecodeAhead(name, object, range, part.next, number + 1);
      return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

void LakeHistory::DecodeAhead(const std::string& name, const lake::ObjectIndex& object,
                              const HistoryRange& range, Offset next, int number) {
  for (int frames = 0; number < object.frames_size() && frames < ahead_threads_; ++number) {
    const lake::Frame& frame = object.frames(number);
    if (RunOf(frame, range.partition, next, range.to) == nullptr) continue;
    if (!MayHave(object, frame, range)) continue;
    ++frames;
    if (BytesToDecode(frame) > memory_.limit() / kPartOfAhead) return;
    if (cache_.Has(KeyOf(name, frame))) continue;
    if (ahead_.fetch_add(1) >= ahead_threads_) {  // They are busy.
      ahead_.fetch_sub(1);
      return;
    }
    ahead_pool_.Post([this, name, frame] {
      // A reader that wants it will see the error.
      OpenFrame(name, frame).IgnoreError();
      ahead_.fetch_sub(1);
    });
  }
}

absl::StatusOr<Offset> LakeHistory::SeekBy(const TopicIndex& index, const HistoryRange& range,
                                           int64_t micros) {
  const absl::Span<const TopicIndex::Range> objects = index.Ranges(range.partition.value());
  const int64_t hour = lake::HourOf(absl::FromUnixMicros(micros));
  auto at =
      std::partition_point(objects.begin(), objects.end(), [&](const TopicIndex::Range& object) {
        return Offset(object.end) <= range.from || index.object(object).hour < hour;
      });
  for (; at != objects.end() && Offset(at->begin) < range.to; ++at) {
    const TopicIndex::Object& object = index.object(*at);
    if (object.last_append_micros < micros) continue;
    if (object.first_append_micros >= micros) return std::max(Offset(at->begin), range.from);
    const std::string name = index.NameOf(object);
    ASSIGN_OR_RETURN(const std::shared_ptr<const lake::ObjectIndex> opened,
                     OpenObject(name, object));
    for (const lake::Frame& frame : opened->frames()) {
      if (frame.last_append_micros() < micros) continue;
      if (RunOf(frame, range.partition, range.from, range.to) == nullptr) continue;
      ASSIGN_OR_RETURN(const std::shared_ptr<const HistoryFrame> decoded, OpenFrame(name, frame));
      const Offset found = decoded->SeekTime(range.partition, range.from, micros);
      if (found != Offset::Max()) return std::min(found, range.to);
    }
  }
  return range.to;
}

absl::StatusOr<std::shared_ptr<const lake::ObjectIndex>> LakeHistory::OpenObject(
    const std::string& name, const TopicIndex::Object& object) {
  using Made = HistoryCache::Made<lake::ObjectIndex>;
  constexpr size_t kParsedFactor = 6;
  const auto make = [&]() -> absl::StatusOr<Made> {
    ASSIGN_OR_RETURN(lake::ObjectReader reader,
                     lake::ObjectReader::Open(*store_, name, object.bytes, object.tail_bytes));
    auto index = std::make_shared<const lake::ObjectIndex>(std::move(reader).TakeIndex());
    const size_t bytes = index->SpaceUsedLong();
    return Made{std::move(index), bytes};
  };
  return cache_.Get<lake::ObjectIndex>(name, object.tail_bytes * kParsedFactor, make);
}

absl::StatusOr<std::shared_ptr<const HistoryFrame>> LakeHistory::OpenFrame(
    const std::string& name, const lake::Frame& frame) {
  using Made = HistoryCache::Made<HistoryFrame>;
  const auto make = [&]() -> absl::StatusOr<Made> {
    ASSIGN_OR_RETURN(lake::FrameLines lines, lake::ObjectReader::ReadFrame(*store_, name, frame));
    auto decoded = HistoryFrame::Decode(std::move(lines));
    if (!decoded.ok()) {
      return absl::Status(decoded.status().code(),
                          absl::StrCat(name, ": ", decoded.status().message()));
    }
    const size_t bytes = (*decoded)->bytes();
    return Made{*std::move(decoded), bytes};
  };
  return cache_.Get<HistoryFrame>(KeyOf(name, frame), BytesToDecode(frame), make);
}

}  // namespace eventhub
