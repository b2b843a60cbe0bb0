// Metrics of processors for Prometheus, by prometheus-cpp.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "eventhub/processor/processor.h"
#include "prometheus/collectable.h"

namespace eventhub::processor {

// Collects the metrics of a processor (see metrics.h), which must outlive it, with the labels
// `subscription` and `pipeline`. Also collects `eventhub_processor_state`, with the additional
// label `state`: it is 1 for the current state of the pipeline (running, waiting, broken),
// otherwise 0. Thread-safe; costs nothing unless it is collected.
//
//     prometheus::Exposer exposer("127.0.0.1:9464");
//     const auto metrics = MakePrometheusCollector(*processor);
//     exposer.RegisterCollectable(metrics);
//
// Link eventhub::processor_prometheus.
std::shared_ptr<prometheus::Collectable> MakePrometheusCollector(const Processor& processor);

}  // namespace eventhub::processor
