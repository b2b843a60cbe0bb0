// A complete pipeline, without the types of its steps.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "eventhub/filter.h"
#include "eventhub/processor/internal/chain.h"

namespace eventhub::processor::internal {

// The settings of a pipeline that precede its first step.
struct Intake {
  std::string id;
  std::optional<client::Filter> filter{};
  client::Order order = client::Order::kPerKey;
};

// A running pipeline. On the strand only.
class Instance {
 public:
  virtual ~Instance() = default;
  virtual void Take(Task& task, uint64_t lane) = 0;
  virtual void Drain() = 0;
};

// The description of a pipeline. Outlives the instances made from it. Immutable.
class Spec {
 public:
  explicit Spec(Intake intake) : intake_(std::move(intake)) {}
  virtual ~Spec() = default;

  const Intake& intake() const { return intake_; }
  // Whether units may wait in a step.
  virtual bool waits() const = 0;
  // Whether a step groups events, which then succeed or fail together.
  virtual bool groups() const = 0;
  // Whether a step receives timers, and publishes depending on the state of keys.
  virtual bool timers() const = 0;
  // The views that its steps write.
  virtual std::vector<std::shared_ptr<View>> views() const = 0;
  // INVALID_ARGUMENT, naming the step and the option, if one is out of range.
  virtual absl::Status Check() const = 0;
  virtual std::unique_ptr<Instance> Start(Runtime& runtime) const = 0;

 private:
  const Intake intake_;
};

absl::Status CheckPart(const std::string& step, const CallOptions& options);
absl::Status CheckPart(const std::string& step, const Window& window);
absl::Status CheckPart(const std::string& step, const MaterializeOptions& options);
absl::Status CheckPart(const std::string& step, const Memory& memory);
absl::Status CheckPart(const std::string& step, const DurableMemory& memory);
absl::Status CheckPart(const std::string& step, const Rate& rate);
absl::Status CheckPart(const std::string& step, const LookupOptions& options);
absl::Status CheckPart(const std::string& step, const CorrelateOptions& options);
absl::Status CheckPart(const std::string& step, const JobOptions& options);
absl::Status CheckPart(const std::string& step, const std::shared_ptr<View>& view);

template <typename S>
absl::Status CheckStep(const S& step) {
  absl::Status status;
  if constexpr (requires { step.options; }) status.Update(CheckPart(step.name, step.options));
  if constexpr (requires { step.mapping; }) status.Update(CheckPart(step.name, step.mapping));
  if constexpr (requires { step.window; }) status.Update(CheckPart(step.name, step.window));
  if constexpr (requires { step.memory; }) status.Update(CheckPart(step.name, step.memory));
  if constexpr (requires { step.durable; }) status.Update(CheckPart(step.name, step.durable));
  if constexpr (requires { step.rate; }) status.Update(CheckPart(step.name, step.rate));
  if constexpr (requires { step.lookup; }) status.Update(CheckPart(step.name, step.lookup));
  if constexpr (requires { step.view; }) status.Update(CheckPart(step.name, step.view));
  return status;
}

// The first unit of a pipeline.
template <typename Values>
struct RootOf;
template <typename... Ts>
struct RootOf<Types<Ts...>> {
  using Type = Unit<void, Ts...>;
};

template <typename... Steps>
class TypedSpec final : public Spec {
 public:
  TypedSpec(Intake intake, std::tuple<Steps...> steps)
      : Spec(std::move(intake)), steps_(std::move(steps)) {}

  bool waits() const override { return (Steps::kWaits || ...); }
  bool groups() const override { return (Steps::kGroups || ...); }
  bool timers() const override { return (Steps::kTimers || ...); }
  std::vector<std::shared_ptr<View>> views() const override {
    std::vector<std::shared_ptr<View>> views;
    const auto add = [&]<typename S>(const S& step) {
      if constexpr (requires { step.view; }) views.push_back(step.view);
    };
    std::apply([&](const Steps&... step) { (add(step), ...); }, steps_);
    return views;
  }
  absl::Status Check() const override {
    absl::Status status;
    std::apply([&](const Steps&... step) { (status.Update(CheckStep(step)), ...); }, steps_);
    return status;
  }
  std::unique_ptr<Instance> Start(Runtime& runtime) const override {
    return std::make_unique<TypedInstance>(runtime, steps_);
  }

 private:
  using Root = typename RootOf<typename Segment<Types<>, Steps...>::Type>::Type;

  class TypedInstance final : public Instance {
   public:
    TypedInstance(Runtime& runtime, const std::tuple<Steps...>& steps)
        : chain_(std::apply(
              [&](const Steps&... step) { return Chain<Root, Steps...>(runtime, step...); },
              steps)) {}

    void Take(Task& task, uint64_t lane) override {
      const Ref<Root> unit(new Root(task));
      unit->lane = lane;
      chain_.Run(unit);
    }
    void Drain() override { chain_.Drain(); }

   private:
    Chain<Root, Steps...> chain_;
  };

  const std::tuple<Steps...> steps_;
};

}  // namespace eventhub::processor::internal
