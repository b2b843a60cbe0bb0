// The metrics of pipelines, for whatever exports them. prometheus.h does, for Prometheus.
#pragma once

#include <string>

#include "absl/types/span.h"
#include "eventhub/processor/status.h"

namespace eventhub::processor {

// One number of each pipeline.
struct PipelineMetric {
  enum class Kind { kCounter, kGauge };

  // As Prometheus names it, e.g. "eventhub_processor_io_wait_seconds_total".
  const char* name;
  const char* help;
  Kind kind;
  // In seconds if it is a time.
  double (*value)(const PipelineCounters& counters);
};

// All metrics, which are those of PipelineCounters. They never change.
absl::Span<const PipelineMetric> PipelineMetrics();

}  // namespace eventhub::processor
