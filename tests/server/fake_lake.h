// A lake in memory, which outlives the hubs that archive in it, checks what it gets, and fails when
// a test wants it to.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "server/core/archive/archive_target.h"
#include "server/core/archive/object_plan.h"
#include "storage/base/mutex.h"
#include "tests/support/events.h"

namespace eventhub {

class FakeLake final : public ArchiveTarget {
 public:
  // Called before and after each effect; an error is returned to the hub. Steps: "begin", "add",
  // "finish", "finished", "list", "listed".
  using Fault = std::function<absl::Status(absl::string_view step)>;

  using Place = std::pair<uint32_t, int64_t>;  // Partition and offset.
  struct Topic {
    uint64_t last_sequence = 0;
    std::map<Place, std::string> ids;  // Of all listed events.
    std::map<uint32_t, int64_t> end;   // By partition.
    std::map<uint32_t, uint64_t> missing;
    std::vector<uint64_t> bytes;  // Of each listed object.
  };

  void SetFault(Fault fault) {
    MutexLock lock(mutex_);
    fault_ = std::move(fault);
  }

  Topic TopicOf(uint32_t id) const {
    MutexLock lock(mutex_);
    const auto it = topics_.find(id);
    return it == topics_.end() ? Topic() : it->second;
  }
  // Objects that no manifest lists.
  size_t orphans() const {
    MutexLock lock(mutex_);
    return objects_.size() - listed_;
  }

  absl::StatusOr<uint64_t> NextSequence(const ArchivedTopic& topic) override {
    MutexLock lock(mutex_);
    return topics_[topic.id.value()].last_sequence + 1;
  }

  absl::StatusOr<std::unique_ptr<Object>> Begin(const ArchivedTopic& topic,
                                                const stored::ArchiveObject& object) override {
    if (absl::Status status = At("begin"); !status.ok()) return status;
    return std::make_unique<Writer>(*this, NameOf(topic, object), object);
  }

  absl::Status List(const ArchivedTopic& topic, const stored::ArchiveObject& object) override {
    if (absl::Status status = At("list"); !status.ok()) return status;
    {
      MutexLock lock(mutex_);
      Topic& to = topics_[topic.id.value()];
      if (object.sequence() > to.last_sequence) {
        EXPECT_EQ(object.sequence(), to.last_sequence + 1);
        to.last_sequence = object.sequence();
        const auto found = objects_.find(object.entry());
        EXPECT_EQ(object.entry(), NameOf(topic, object));
        if (found == objects_.end()) return absl::DataLossError("no such object");
        EXPECT_EQ(found->second.size(), object.events());
        to.bytes.push_back(0);
        for (const stored::ArchiveRange& range : object.ranges()) {
          EXPECT_EQ(to.end[range.partition()] + static_cast<int64_t>(range.missing()),
                    range.from());
          to.end[range.partition()] = range.to();
          to.missing[range.partition()] += range.missing();
          to.bytes.back() += range.to_bytes() - range.from_bytes();
        }
        for (const auto& [place, id] : found->second) {
          EXPECT_TRUE(to.ids.emplace(place, id).second) << "twice: " << id;
        }
        ++listed_;
      }
    }
    return At("listed");
  }

  absl::Status KeepOnly(const std::vector<TopicId>&, TopicId) override { return absl::OkStatus(); }

 private:
  class Writer final : public Object {
   public:
    Writer(FakeLake& lake, std::string name, const stored::ArchiveObject& object)
        : lake_(lake), name_(std::move(name)), object_(object) {}

    absl::Status Add(PartitionId partition, Offset offset, absl::Time append_time,
                     absl::string_view event) override {
      const Place place{partition.value(), offset.value()};
      EXPECT_EQ(HourOf(append_time), object_.hour());
      EXPECT_TRUE(events_.empty() || events_.rbegin()->first < place);
      v1::Event parsed;
      EXPECT_TRUE(parsed.ParseFromArray(event.data(), static_cast<int>(event.size())));
      events_[place] = parsed.id();
      return lake_.At("add");
    }

    absl::StatusOr<std::string> Finish() override {
      if (absl::Status status = lake_.At("finish"); !status.ok()) return status;
      {
        MutexLock lock(lake_.mutex_);
        lake_.objects_[name_] = std::move(events_);
      }
      if (absl::Status status = lake_.At("finished"); !status.ok()) return status;
      return name_;
    }

   private:
    FakeLake& lake_;
    const std::string name_;
    const stored::ArchiveObject object_;
    std::map<Place, std::string> events_;
  };

  static std::string NameOf(const ArchivedTopic& topic, const stored::ArchiveObject& object) {
    std::string name = absl::StrCat(topic.id.value(), "/", object.hour(), "/", object.sequence());
    for (const stored::ArchiveRange& range : object.ranges()) {
      absl::StrAppend(&name, "-", range.partition(), ":", range.from(), ":", range.to());
    }
    return name;
  }

  absl::Status At(absl::string_view step) {
    Fault fault;
    {
      MutexLock lock(mutex_);
      fault = fault_;
    }
    return fault == nullptr ? absl::OkStatus() : fault(step);
  }

  mutable Mutex mutex_;
  Fault fault_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::map<Place, std::string>> objects_ ABSL_GUARDED_BY(mutex_);
  size_t listed_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<uint32_t, Topic> topics_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub
