// The metrics of pipelines, for any exporter. prometheus.h exports them to Prometheus.
#pragma once

#include <string>

#include "absl/types/span.h"
#include "eventhub/processor/status.h"

namespace eventhub::processor {

// A number that each pipeline has.
struct PipelineMetric {
  enum class Kind { kCounter, kGauge };

  // In the style of Prometheus, e.g. "eventhub_processor_io_wait_seconds_total".
  const char* name;
  const char* help;
  Kind kind;
  // Times are in seconds.
  double (*value)(const PipelineCounters& counters);
};

// All metrics: those of PipelineCounters. The list is constant.
absl::Span<const PipelineMetric> PipelineMetrics();

}  // namespace eventhub::processor
