// The pipelines of a processor, and which of them want an event.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "client/processor/delivered.h"
#include "eventhub/processor/internal/runtime.h"
#include "eventhub/processor/internal/spec.h"
#include "eventhub/processor/pipeline.h"
#include "eventhub/processor/processor.h"
#include "eventhub/processor/view.h"
#include "eventhub/subscriber.h"
#include "server/filter/filter.h"

namespace eventhub::processor::internal {

class Engine;

// A pipeline that runs.
struct Line {
  Line(Engine& engine, size_t number, AnyPipeline pipeline);

  const size_t index;
  const AnyPipeline description;
  const std::vector<std::shared_ptr<View>> views;
  std::optional<CompiledFilter> filter{};
  std::optional<CompiledFilter> timers{};  // Passes those of this pipeline, if it has any.
  Runtime runtime;
  std::unique_ptr<Instance> instance{};
};

// What can run together, and is as its description says. On the strand only, once it is complete.
class Lines {
 public:
  // Adds those of the options. INVALID_ARGUMENT, naming the pipeline and the option, if one is out
  // of range. `engine` must outlive them.
  absl::Status Add(const ProcessorOptions& options, Engine& engine);
  // Drops what their units refer to.
  void Clear() { lines_.clear(); }

  size_t size() const { return lines_.size(); }
  Line& operator[](size_t index) const { return *lines_[index]; }
  auto begin() const { return lines_.begin(); }
  auto end() const { return lines_.end(); }

  // Whether units may wait in some pipeline as a rule.
  bool any_waits() const { return any_waits_; }
  // The strictest order that one asks for.
  client::Order order() const { return order_; }

  // Finds those that want an event. Of these, only the named ones, unless there are no names.
  void Find(const Delivered& delivered);
  // Drops what was found for an event that the processor has published, unless it takes them.
  void DropOwn(const v1::Event& event, bool restored);
  // What was found.
  const std::vector<Line*>& wanted() const { return wanted_; }
  // The names of those that do not exist.
  std::vector<std::string> Unknown(absl::Span<const std::string> names) const;

 private:
  absl::Status AddOne(const ProcessorOptions& options, const AnyPipeline& pipeline, Engine& engine);
  absl::Status CompileFilters(Line& line, const std::string& timer_subject);

  std::vector<std::unique_ptr<Line>> lines_;
  std::string own_source_;                // Events from here are dropped; empty: none are.
  std::optional<CompiledFilter> timers_;  // Passes timers, if any pipeline has some.
  bool any_waits_ = false;
  bool any_groups_ = false;  // One pipeline has groups.
  client::Order order_ = client::Order::kNone;
  std::vector<Line*> wanted_;
  bool timer_ = false;  // What was found is for a timer.
};

// INVALID_ARGUMENT, naming the option that is out of range; what is about a pipeline, Lines checks.
absl::Status CheckProcessorOptions(const ProcessorOptions& options);

}  // namespace eventhub::processor::internal
