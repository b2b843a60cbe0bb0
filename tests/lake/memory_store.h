// MemoryStore: an object store of tests that fails when it is told to.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/lake/store/object_store.h"

namespace eventhub::lake {

// Thread-compatible.
class MemoryStore final : public ObjectStore {
 public:
  enum class Call { kCreate, kAppend, kCommit, kPutIfAbsent, kPut, kGet, kDelete };
  // What happens to a call: `status` is returned if it is an error; then the change is made only
  // if `done`.
  struct Fault {
    absl::Status status;
    bool done = false;
  };
  using Plan = std::function<Fault(Call call, absl::string_view name)>;

  void set_faults(Plan plan) { plan_ = std::move(plan); }
  std::map<std::string, std::string>& objects() { return objects_; }
  // Of all objects.
  void set_modified(absl::Time time) { modified_ = time; }
  uint64_t bytes_read() const { return bytes_read_; }
  int calls() const { return calls_; }

  absl::StatusOr<std::unique_ptr<ObjectSink>> Create(absl::string_view name) override {
    if (absl::Status bad = CheckObjectName(name); !bad.ok()) return bad;
    if (Fault fault = Ask(Call::kCreate, name); !fault.status.ok()) return fault.status;
    return std::make_unique<Sink>(*this, std::string(name));
  }

  absl::Status PutIfAbsent(absl::string_view name, absl::string_view bytes) override {
    const Fault fault = Ask(Call::kPutIfAbsent, name);
    if (!fault.status.ok() && !fault.done) return fault.status;
    if (!objects_.emplace(std::string(name), std::string(bytes)).second) {
      return absl::AlreadyExistsError(name);
    }
    return fault.status;
  }

  absl::Status Put(absl::string_view name, absl::string_view bytes) override {
    const Fault fault = Ask(Call::kPut, name);
    if (fault.status.ok() || fault.done) objects_[std::string(name)] = std::string(bytes);
    return fault.status;
  }

  absl::StatusOr<std::string> Get(absl::string_view name, uint64_t offset,
                                  uint64_t length) const override {
    if (Fault fault = Ask(Call::kGet, name); !fault.status.ok()) return fault.status;
    const auto found = objects_.find(std::string(name));
    if (found == objects_.end()) return absl::NotFoundError(absl::StrCat("no object ", name));
    if (offset > found->second.size()) return absl::InvalidArgumentError("beyond the end");
    std::string bytes = found->second.substr(offset, length);
    bytes_read_ += bytes.size();
    return bytes;
  }

  absl::StatusOr<uint64_t> Size(absl::string_view name) const override {
    if (Fault fault = Ask(Call::kGet, name); !fault.status.ok()) return fault.status;
    const auto found = objects_.find(std::string(name));
    if (found == objects_.end()) return absl::NotFoundError(absl::StrCat("no object ", name));
    return found->second.size();
  }

  absl::StatusOr<ObjectPage> List(absl::string_view prefix, absl::string_view after,
                                  size_t limit) const override {
    ObjectPage page;
    for (auto at = objects_.upper_bound(std::string(after)); at != objects_.end(); ++at) {
      if (!absl::StartsWith(at->first, prefix)) continue;
      page.more = page.objects.size() == limit;
      if (page.more) break;
      page.objects.push_back({at->first, at->second.size(), modified_});
    }
    return page;
  }

  absl::Status Delete(absl::string_view name) override {
    const Fault fault = Ask(Call::kDelete, name);
    if (fault.status.ok() || fault.done) objects_.erase(std::string(name));
    return fault.status;
  }

  std::string Describe() const override { return "memory"; }

 private:
  class Sink final : public ObjectSink {
   public:
    Sink(MemoryStore& store, std::string name) : store_(store), name_(std::move(name)) {}
    absl::Status Append(absl::string_view bytes) override {
      const Fault fault = store_.Ask(Call::kAppend, name_);
      if (fault.status.ok()) bytes_.append(bytes.data(), bytes.size());
      return fault.status;
    }
    absl::Status Commit() override {
      const Fault fault = store_.Ask(Call::kCommit, name_);
      if (fault.status.ok() || fault.done) store_.objects_[name_] = bytes_;
      return fault.status;
    }
    void Abort() override {}

   private:
    MemoryStore& store_;
    const std::string name_;
    std::string bytes_;
  };

  Fault Ask(Call call, absl::string_view name) const {
    ++calls_;
    return plan_ ? plan_(call, name) : Fault{};
  }

  std::map<std::string, std::string> objects_;
  Plan plan_;
  absl::Time modified_;
  mutable uint64_t bytes_read_ = 0;
  mutable int calls_ = 0;
};

}  // namespace eventhub::lake
