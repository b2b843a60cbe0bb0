#include "server/lake/merge/merge_plan.h"

#include <map>
#include <utility>

namespace eventhub::lake {
namespace {

// Collects the groups of one hour.
class HourPlan {
 public:
  HourPlan(const MergeLimits& limits, std::vector<MergeGroup>* groups)
      : limits_(limits), groups_(groups) {}

  void Add(const ObjectRecord& object) {
    if (!Fits(object)) End();
    if (group_.empty() && object.raw_bytes() >= limits_.small_bytes) return;
    for (const OffsetRange& range : object.ranges()) ends_[range.partition()] = range.end();
    bytes_ += object.raw_bytes();
    events_ += object.events();
    group_.push_back(object);
    if (bytes_ >= limits_.small_bytes) End();
  }

  void End() {
    if (group_.size() > 1) groups_->push_back(std::move(group_));
    group_.clear();
    ends_.clear();
    bytes_ = 0;
    events_ = 0;
  }

 private:
  bool Fits(const ObjectRecord& object) const {
    if (group_.size() == limits_.objects || events_ + object.events() > limits_.events) {
      return false;
    }
    for (const OffsetRange& range : object.ranges()) {
      const auto end = ends_.find(range.partition());
      if (end != ends_.end() && end->second != range.begin()) return false;
    }
    return true;
  }

  const MergeLimits limits_;
  std::vector<MergeGroup>* const groups_;
  MergeGroup group_;
  std::map<uint32_t, int64_t> ends_;  // By partition.
  uint64_t bytes_ = 0;
  uint64_t events_ = 0;
};

}  // namespace

std::vector<MergeGroup> PlanMerges(const Manifest& manifest, int64_t hour,
                                   const MergeLimits& limits) {
  // Objects of an hour need not follow each other: those of an hour that was archived late come
  // after those of the next.
  std::map<int64_t, std::vector<const ObjectRecord*>> hours;
  for (const auto& [sequence, object] : manifest.objects()) {
    if (object.hour() < hour) hours[object.hour()].push_back(&object);
  }
  std::vector<MergeGroup> groups;
  for (const auto& [of, objects] : hours) {
    HourPlan plan(limits, &groups);
    for (const ObjectRecord* const object : objects) plan.Add(*object);
    plan.End();
  }
  return groups;
}

}  // namespace eventhub::lake
