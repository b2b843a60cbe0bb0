// Metrics of processors for Prometheus, by prometheus-cpp.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "eventhub/processor/processor.h"
#include "prometheus/collectable.h"

namespace eventhub::processor {

// Collects the metrics of a processor (see metrics.h), which must outlive it, with the labels
// `subscription` and `pipeline`; and `eventhub_processor_state`, with the further label `state`,
// which is 1 for the state that the pipeline is in (running, waiting, broken) and 0 for the others.
// Thread-safe; costs nothing while nobody collects.
//
//     prometheus::Exposer exposer("127.0.0.1:9464");
//     const auto metrics = MakePrometheusCollector(*processor);
//     exposer.RegisterCollectable(metrics);
//
// Link eventhub::processor_prometheus.
std::shared_ptr<prometheus::Collectable> MakePrometheusCollector(const Processor& processor);

}  // namespace eventhub::processor
