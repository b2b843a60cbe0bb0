#include "client/processor/lines.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/processor/engine.h"
#include "storage/base/status_macros.h"

namespace eventhub::processor::internal {
namespace {

using client::Order;

absl::Status CheckWindow(const CommitWindow& window) {
  if (window.interval < absl::ZeroDuration() || window.interval > absl::Minutes(1)) {
    return absl::InvalidArgumentError("commit.interval must be 0 to 1 min");
  }
  if (window.max_events < 1 || window.max_events > 4000) {
    return absl::InvalidArgumentError("commit.max_events must be 1 to 4,000");
  }
  if (window.max_bytes < 1 || window.max_bytes > 3 * 1024 * 1024) {
    return absl::InvalidArgumentError("commit.max_bytes must be 1 to 3 MiB");
  }
  return absl::OkStatus();
}

bool IsId(const std::string& id) {
  return !id.empty() && id.size() <= 100 && std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  });
}

// Whether the pipeline's state is compatible with all pipelines of the processor.
absl::Status CheckState(const ProcessorOptions& options, const AnyPipeline& pipeline) {
  if (!pipeline.spec().timers()) return absl::OkStatus();
  if (pipeline.spec().intake().order == Order::kPerPartition) {
    return absl::InvalidArgumentError("state is by key, which InOrder(kPerPartition) excludes");
  }
  // An event of a key waits for the one before it to be settled; in a group they would wait for
  // each other.
  for (const AnyPipeline& other : options.pipelines) {
    if (!other.spec().groups()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("it keeps state by key, and pipeline ", other.id(),
                     " has a GroupBy or Compact: give one of them a subscription of its own"));
  }
  return absl::OkStatus();
}

absl::Status Named(const std::string& id, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat("pipeline ", id, ": ", std::string(status.message())));
}

}  // namespace

absl::Status CheckProcessorOptions(const ProcessorOptions& options) {
  if (options.subscription.empty()) return absl::InvalidArgumentError("subscription must be set");
  if (options.source.empty() || options.source.size() > 1024) {
    return absl::InvalidArgumentError("source must be 1 to 1,024 bytes long");
  }
  if (options.pipelines.empty()) return absl::InvalidArgumentError("pipelines must not be empty");
  if (options.stall_after <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("stall_after must be more than 0");
  }
  return CheckWindow(options.commit);
}

Line::Line(Engine& engine, size_t number, AnyPipeline pipeline)
    : index(number),
      description(std::move(pipeline)),
      views(description.spec().views()),
      runtime(engine, description.id(), description.spec().intake().order) {}

absl::Status Lines::Add(const ProcessorOptions& options, Engine& engine) {
  for (const AnyPipeline& pipeline : options.pipelines) {
    if (!IsId(pipeline.id())) {
      return absl::InvalidArgumentError(absl::StrCat("the id of pipeline '", pipeline.id(),
                                                     "' must be 1 to 100 of a-z A-Z 0-9 . _ -"));
    }
    const bool known = std::any_of(lines_.begin(), lines_.end(), [&](const auto& line) {
      return line->description.id() == pipeline.id();
    });
    if (known) {
      return absl::InvalidArgumentError(absl::StrCat("two pipelines have the id ", pipeline.id()));
    }
    RETURN_IF_ERROR(Named(pipeline.id(), AddOne(options, pipeline, engine)));
  }
  if (!options.take_own_events) own_source_ = options.source;
  return absl::OkStatus();
}

absl::Status Lines::AddOne(const ProcessorOptions& options, const AnyPipeline& pipeline,
                           Engine& engine) {
  const Spec& spec = pipeline.spec();
  RETURN_IF_ERROR(spec.Check());
  if (spec.groups() && std::exchange(any_groups_, true)) {
    return absl::InvalidArgumentError(
        "another pipeline has a GroupBy or Compact, too: give one of them a subscription of its "
        "own");
  }
  RETURN_IF_ERROR(CheckState(options, pipeline));
  auto line = std::make_unique<Line>(engine, lines_.size(), pipeline);
  RETURN_IF_ERROR(CompileFilters(*line, engine.TimerSubject(pipeline.id())));
  line->instance = spec.Start(line->runtime);
  any_waits_ |= spec.waits();
  if (line->runtime.ordered() && order_ != Order::kPerPartition) order_ = line->runtime.order();
  lines_.push_back(std::move(line));
  return absl::OkStatus();
}

absl::Status Lines::CompileFilters(Line& line, const std::string& timer_subject) {
  const Spec& spec = line.description.spec();
  if (spec.intake().filter) {
    ASSIGN_OR_RETURN(line.filter, CompileFilter(spec.intake().filter->proto(), "on"));
  }
  if (!spec.timers()) return absl::OkStatus();
  const auto mine = client::Filter::Exact({{"type", kTimerType}, {"subject", timer_subject}});
  ASSIGN_OR_RETURN(line.timers, CompileFilter(mine.proto(), ""));
  ASSIGN_OR_RETURN(timers_,
                   CompileFilter(client::Filter::Exact({{"type", kTimerType}}).proto(), ""));
  return absl::OkStatus();
}

void Lines::Find(const Delivered& delivered) {
  wanted_.clear();
  const absl::string_view view(delivered.bytes.data(), delivered.bytes.size());
  const bool restored = delivered.arrival.restored;
  timer_ = timers_ && timers_->Matches(view);
  for (const std::unique_ptr<Line>& line : lines_) {
    const bool named = delivered.pipelines.empty() ||
                       std::find(delivered.pipelines.begin(), delivered.pipelines.end(),
                                 line->description.id()) != delivered.pipelines.end();
    const bool wants = named && !(restored && line->views.empty()) &&
                       (timer_ ? line->timers && line->timers->Matches(view)
                               : !line->filter || line->filter->Matches(view));
    if (wants) {
      wanted_.push_back(line.get());
    } else if (!restored) {
      line->runtime.counters().passed_over.Add(1);
    }
  }
}

void Lines::DropOwn(const v1::Event& event, bool restored) {
  if (timer_ || own_source_.empty() || event.source() != own_source_) return;
  for (Line* const line : wanted_) {
    if (!restored) line->runtime.counters().passed_over.Add(1);
  }
  wanted_.clear();
}

std::vector<std::string> Lines::Unknown(absl::Span<const std::string> names) const {
  std::vector<std::string> unknown;
  for (const std::string& name : names) {
    const bool known = std::any_of(lines_.begin(), lines_.end(), [&](const auto& line) {
      return line->description.id() == name;
    });
    if (!known) unknown.push_back(name);
  }
  return unknown;
}

}  // namespace eventhub::processor::internal
