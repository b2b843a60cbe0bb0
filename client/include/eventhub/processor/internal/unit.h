// Units of work: an event, and the values that the steps of a pipeline have added to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "eventhub/processor/internal/trigger.h"
#include "eventhub/processor/internal/types.h"
#include "eventhub/processor/units.h"

namespace eventhub::processor::internal {

// An object with a reference count. Used on one thread at a time, that of the pipeline.
class Counted {
 public:
  Counted() = default;
  virtual ~Counted() = default;
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  template <typename T>
  friend class Ref;

  // Not inline: gcc 12 would warn of uses of the deleted object, falsely.
  ABSL_ATTRIBUTE_NOINLINE static void Delete(const Counted* object) { delete object; }

  uint32_t references_ = 0;
};

// A reference to a Counted object.
template <typename T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* object) : object_(object) {
    if (object_ != nullptr) ++object_->references_;
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <typename U>
  requires std::is_base_of_v<T, U> Ref(Ref<U> other) : Ref(other.get()) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ != nullptr && --object_->references_ == 0) Counted::Delete(object_);
  }

  T* get() const { return object_; }
  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

// The base of all units.
class AnyUnit : public Counted {
 public:
  // The task to which events emitted for this unit belong; of a group, the last task.
  virtual Task& task() const = 0;
  // The tasks that wait for this unit; a task may occur several times.
  virtual void VisitTasks(absl::FunctionRef<void(Task&)> visit) const = 0;
  // Distinguishes the units into which one event was split, e.g. "2-0-".
  virtual std::string Path() const = 0;

  // Units of one lane pass each step in order; 0: in any order.
  uint64_t lane = 0;
  // When it arrived at its present step.
  absl::Duration waits_since;

  size_t bytes() const { return task().trigger->bytes; }
};

// Identifies an event across deliveries.
struct Origin {
  uint32_t partition = 0;
  int64_t offset = -1;

  bool operator==(const Origin&) const = default;
};
inline Origin OriginOf(const AnyUnit& unit) {
  const Arrival& arrival = unit.task().trigger->arrival;
  return {arrival.partition, arrival.offset};
}

// One of the units into which a parent was split, with the values that later steps add.
template <typename Parent, typename... Ts>
class Unit final : public AnyUnit {
 public:
  using ParentUnit = Parent;

  Unit(Ref<Parent> parent, size_t number) : parent_(std::move(parent)), number_(number) {
    lane = parent_->lane;
  }

  Task& task() const override { return parent_->task(); }
  void VisitTasks(absl::FunctionRef<void(Task&)> visit) const override {
    parent_->VisitTasks(visit);
  }
  std::string Path() const override { return absl::StrCat(parent_->Path(), number_, "-"); }

  template <typename T>
  void Set(T value) {
    std::get<std::optional<T>>(values_).emplace(std::move(value));
  }
  template <typename T>
  const T& Get() const {
    if constexpr (kHas<T, Types<Ts...>>) {
      return *std::get<std::optional<T>>(values_);
    } else {
      return parent_->template Get<T>();
    }
  }
  template <typename... Us>
  std::vector<std::tuple<const Us*...>> Rows() const {
    return parent_->template Rows<Us...>();
  }

 private:
  const Ref<Parent> parent_;
  const size_t number_;
  std::tuple<std::optional<Ts>...> values_;
};

// The first unit of an event.
template <typename... Ts>
class Unit<void, Ts...> final : public AnyUnit {
 public:
  explicit Unit(Task& task) : task_(task) {}

  Task& task() const override { return task_; }
  void VisitTasks(absl::FunctionRef<void(Task&)> visit) const override { visit(task_); }
  std::string Path() const override { return {}; }

  template <typename T>
  void Set(T value) {
    std::get<std::optional<T>>(values_).emplace(std::move(value));
  }
  template <typename T>
  const T& Get() const {
    if constexpr (std::is_same_v<T, v1::Event>) {
      return task_.trigger->event;
    } else if constexpr (std::is_same_v<T, Arrival>) {
      return task_.trigger->arrival;
    } else {
      return *std::get<std::optional<T>>(values_);
    }
  }

 private:
  Task& task_;
  std::tuple<std::optional<Ts>...> values_;
};

// A group of units with one key, with the values that later steps add.
template <typename Member, typename... Ts>
class GroupUnit final : public AnyUnit {
 public:
  explicit GroupUnit(std::vector<Ref<Member>> members) : members_(std::move(members)) {}

  Task& task() const override { return members_.back()->task(); }
  void VisitTasks(absl::FunctionRef<void(Task&)> visit) const override {
    for (const Ref<Member>& member : members_) member->VisitTasks(visit);
  }
  std::string Path() const override { return members_.back()->Path(); }

  template <typename T>
  void Set(T value) {
    std::get<std::optional<T>>(values_).emplace(std::move(value));
  }
  template <typename T>
  const T& Get() const {
    return *std::get<std::optional<T>>(values_);
  }
  template <typename... Us>
  std::vector<std::tuple<const Us*...>> Rows() const {
    std::vector<std::tuple<const Us*...>> rows;
    rows.reserve(members_.size());
    for (const Ref<Member>& member : members_) {
      rows.emplace_back(&member->template Get<Us>()...);
    }
    return rows;
  }

 private:
  const std::vector<Ref<Member>> members_;
  std::tuple<std::optional<Ts>...> values_;
};

// Fetches an argument of a step from a unit.
template <typename T>
struct Fetch {
  template <typename U>
  static const T& From(const U& unit) {
    return unit.template Get<T>();
  }
};
template <typename... Ts>
struct Fetch<Units<Ts...>> {
  template <typename U>
  static Units<Ts...> From(const U& unit) {
    return Units<Ts...>(unit.template Rows<Ts...>());
  }
};

// Calls `f` with the values of its parameters, followed by `more`.
template <typename F, typename U, typename... As, typename... More>
decltype(auto) Apply(const F& f, const U& unit, Types<As...>, More&&... more) {
  return f(Fetch<As>::From(unit)..., std::forward<More>(more)...);
}
template <typename F, typename U>
decltype(auto) Apply(const F& f, const U& unit) {
  return Apply(f, unit, ArgumentsOf<F>());
}

}  // namespace eventhub::processor::internal
