#include "eventhub/processor/metrics.h"

#include "absl/time/time.h"

namespace eventhub::processor {
namespace {

using MetricKind = PipelineMetric::Kind;
using Of = const PipelineCounters&;

double Number(uint64_t count) { return static_cast<double>(count); }

constexpr PipelineMetric kPipelineMetrics[] = {
    {"eventhub_processor_events_total", "Events that the pipeline took.", MetricKind::kCounter,
     [](Of c) { return Number(c.events); }},
    {"eventhub_processor_passed_over_total", "Events that it did not want, or emitted itself.",
     MetricKind::kCounter, [](Of c) { return Number(c.passed_over); }},
    {"eventhub_processor_units_total", "Units of work.", MetricKind::kCounter,
     [](Of c) { return Number(c.units); }},
    {"eventhub_processor_compacted_total", "Units that a later one with the same key replaced.",
     MetricKind::kCounter, [](Of c) { return Number(c.compacted); }},
    {"eventhub_processor_repeats_total", "Units that were dropped as repetitions, or as too old.",
     MetricKind::kCounter, [](Of c) { return Number(c.repeats); }},
    {"eventhub_processor_emitted_total", "Events published.", MetricKind::kCounter,
     [](Of c) { return Number(c.emitted); }},
    {"eventhub_processor_faults_total", "Events that the pipeline gave up on.",
     MetricKind::kCounter, [](Of c) { return Number(c.faults); }},
    {"eventhub_processor_lost_total", "Events whose lease ended first.", MetricKind::kCounter,
     [](Of c) { return Number(c.lost); }},
    {"eventhub_processor_completed_total",
     "Correlations whose condition held, and jobs that ended.", MetricKind::kCounter,
     [](Of c) { return Number(c.completed); }},
    {"eventhub_processor_expired_total", "Correlations whose condition did not hold in time.",
     MetricKind::kCounter, [](Of c) { return Number(c.expired); }},
    {"eventhub_processor_late_total", "Events that came after the end of their correlation or job.",
     MetricKind::kCounter, [](Of c) { return Number(c.late); }},
    {"eventhub_processor_calls_total", "Attempts at calls, writes of views and reads of state.",
     MetricKind::kCounter, [](Of c) { return Number(c.calls); }},
    {"eventhub_processor_retries_total", "Attempts after the first.", MetricKind::kCounter,
     [](Of c) { return Number(c.retries); }},
    {"eventhub_processor_timeouts_total", "Attempts without a reply in time.", MetricKind::kCounter,
     [](Of c) { return Number(c.timeouts); }},
    {"eventhub_processor_circuits_total", "How often a circuit opened.", MetricKind::kCounter,
     [](Of c) { return Number(c.circuits); }},
    {"eventhub_processor_batches_total", "Batches called, and writes of views.",
     MetricKind::kCounter, [](Of c) { return Number(c.batches); }},
    {"eventhub_processor_batched_units_total", "Units in batches.", MetricKind::kCounter,
     [](Of c) { return Number(c.batched_units); }},
    {"eventhub_processor_batch_room_total",
     "Units that batches had room for; batched_units / batch_room is their utilisation.",
     MetricKind::kCounter, [](Of c) { return Number(c.batch_room); }},
    {"eventhub_processor_lookups_total", "Lookups.", MetricKind::kCounter,
     [](Of c) { return Number(c.lookups); }},
    {"eventhub_processor_cache_hits_total", "Lookups that made no call of their own.",
     MetricKind::kCounter, [](Of c) { return Number(c.cache_hits); }},
    {"eventhub_processor_restored_total", "Events that were read back for a view.",
     MetricKind::kCounter, [](Of c) { return Number(c.restored); }},
    {"eventhub_processor_rows_total", "Rows written to views.", MetricKind::kCounter,
     [](Of c) { return Number(c.rows); }},
    {"eventhub_processor_rows_stale_total", "Rows not written, because the view has newer ones.",
     MetricKind::kCounter, [](Of c) { return Number(c.rows_stale); }},
    {"eventhub_processor_channel_wait_seconds_total",
     "From an event's append to the pipeline's taking it.", MetricKind::kCounter,
     [](Of c) { return absl::ToDoubleSeconds(c.channel_wait); }},
    {"eventhub_processor_map_seconds_total", "In steps other than calls.", MetricKind::kCounter,
     [](Of c) { return absl::ToDoubleSeconds(c.map_time); }},
    {"eventhub_processor_io_wait_seconds_total",
     "Of units, from reaching a call or view to its first attempt.", MetricKind::kCounter,
     [](Of c) { return absl::ToDoubleSeconds(c.io_wait); }},
    {"eventhub_processor_io_seconds_total", "In attempts at calls and at writes of views.",
     MetricKind::kCounter, [](Of c) { return absl::ToDoubleSeconds(c.io_time); }},
    {"eventhub_processor_in_flight", "Events taken and not settled.", MetricKind::kGauge,
     [](Of c) { return Number(c.in_flight); }},
    {"eventhub_processor_waiting", "Units that wait in a step.", MetricKind::kGauge,
     [](Of c) { return Number(c.waiting); }},
    {"eventhub_processor_iterator_age_seconds", "The channel wait of the event taken last.",
     MetricKind::kGauge, [](Of c) { return absl::ToDoubleSeconds(c.iterator_age); }},
};

}  // namespace

absl::Span<const PipelineMetric> PipelineMetrics() { return kPipelineMetrics; }

}  // namespace eventhub::processor
