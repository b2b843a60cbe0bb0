#include "server/core/topic/topic.h"

#include <utility>

#include "server/core/topic/topic_settings.h"

namespace eventhub {
namespace {

// The bytes that go to one partition before the next gets its turn.
constexpr uint64_t kKeylessBytesPerTurn = uint64_t{64} << 10;

}  // namespace

Topic::Topic(TopicId id, std::string name, const LogStore& store, MemoryMeter* producers,
             CopyMemory* copies, bool has_lake, KeyRing* keys)
    : id_(id),
      name_(std::move(name)),
      copies_(copies),
      keys_(keys),
      archive_hold_(has_lake),
      view_(std::make_shared<TopicView>()),
      producers_(store, id, producers),
      store_(store) {}

std::shared_ptr<const TopicView> Topic::view() const {
  MutexLock lock(mutex_);
  return view_;
}

void Topic::Apply(TopicSettings settings, const std::vector<LogBounds>& bounds) {
  {
    MutexLock lock(mutex_);
    auto view = std::make_shared<TopicView>();
    view->settings = std::move(settings);
    view->routes = view_->routes;
    for (const LogBounds& b : bounds) {
      const PartitionId id(static_cast<uint32_t>(partitions_.size()));
      partitions_.push_back(
          std::make_unique<PartitionLog>(id_, id, b, mark_, store_.visible_commits()));
      // Only a loaded topic has any, and no thread writes to it yet.
      held_bytes_.fetch_add(b.end_bytes - b.start_bytes - b.removed.bytes,
                            std::memory_order_relaxed);
    }
    view->partitions.reserve(partitions_.size());
    for (const auto& partition : partitions_) view->partitions.push_back(partition.get());
    view_ = std::move(view);
  }
  if (!bounds.empty()) mark_.WakeAll();  // Readers of all partitions add the new ones.
}

void Topic::SetDeleted() {
  deleted_.store(true, std::memory_order_seq_cst);
  WakeReaders();
}

void Topic::NotePurge() {
  purges_.fetch_add(1, std::memory_order_seq_cst);
  WakeReaders();
}

void Topic::WakeReaders() {
  mark_.WakeAll();
  const std::shared_ptr<const TopicView> now = view();
  for (PartitionLog* partition : now->partitions) partition->end_mark().WakeAll();
}

IdentityTable& Topic::identities() {
  if (identities_ == nullptr) identities_ = std::make_shared<IdentityTable>(store_, id_);
  return *identities_;
}

LatestTable& Topic::latest() {
  if (latest_ == nullptr) latest_ = std::make_shared<LatestTable>(store_, id_);
  return *latest_;
}

void Topic::SetPending(TopicSettings settings) {
  pending_ = std::move(settings);
  const v1::Retention& retention = pending_->retention();
  full_at_.store(retention.refuse_when_full() ? retention.max_bytes() : UINT64_MAX,
                 std::memory_order_relaxed);
  archive_hold_.SetActive(IsArchived(*pending_));
  if (!archive_hold_.active()) SetArchiveFullAt(UINT64_MAX);
}

void Topic::SetRoutes(std::shared_ptr<const RouteSet> routes) {
  routes_ = routes.get();
  MutexLock lock(mutex_);
  auto view = std::make_shared<TopicView>(*view_);
  view->routes = std::move(routes);
  view_ = std::move(view);
}

uint32_t Topic::NextKeylessPartition(size_t bytes, size_t partitions) {
  const uint64_t before = keyless_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  return static_cast<uint32_t>(before / kKeylessBytesPerTurn % partitions);
}

v1::TopicStats Topic::Stats() const {
  v1::TopicStats stats;
  uint64_t events = 0;
  uint64_t bytes = 0;
  uint64_t removed = 0;
  const std::shared_ptr<const TopicView> now = view();
  for (const PartitionLog* partition : now->partitions) {
    // Read before the end, which only grows.
    const Offset start = partition->start();
    const uint64_t gone = partition->removed_events();
    events += static_cast<uint64_t>(partition->end() - start) - gone;
    bytes += partition->bytes();
    removed += gone;
  }
  stats.set_events(events);
  stats.set_removed_events(removed);
  stats.set_bytes(bytes);
  stats.set_published_events(counters_.published_events.value());
  stats.set_published_bytes(counters_.published_bytes.value());
  stats.set_delivered_events(counters_.delivered_events.value());
  stats.set_delivered_bytes(counters_.delivered_bytes.value());
  stats.set_refused_requests(counters_.refused_requests.value());
  stats.set_routed_events(counters_.routed_events.value());
  stats.set_unrouted_events(counters_.unrouted_events.value());
  stats.set_readers(counters_.readers.load(std::memory_order_relaxed));
  stats.set_duplicate_events(counters_.duplicate_events.value());
  stats.set_delayed_events(static_cast<uint64_t>(delayed_events_.Get(store_.visible_commits())));
  stats.set_held_back_bytes(held_back().bytes);
  return stats;
}

Topic::HeldBack Topic::held_back() const {
  MutexLock lock(mutex_);
  return held_back_;
}

void Topic::SetHeldBack(HeldBack held_back) {
  MutexLock lock(mutex_);
  held_back_ = std::move(held_back);
}

}  // namespace eventhub
