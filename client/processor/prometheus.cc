#include "eventhub/processor/prometheus.h"

#include <string>
#include <utility>

#include "eventhub/processor/metrics.h"
#include "prometheus/client_metric.h"
#include "prometheus/metric_family.h"

namespace eventhub::processor {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using Labels = std::vector<ClientMetric::Label>;

class Collector final : public prometheus::Collectable {
 public:
  explicit Collector(const Processor& processor) : processor_(processor) {}

  std::vector<MetricFamily> Collect() const override {
    const std::vector<std::string> pipelines = processor_.pipelines();
    const std::vector<PipelineCounters> counters = processor_.counters();
    std::vector<MetricFamily> families;
    for (const PipelineMetric& metric : PipelineMetrics()) {
      const bool gauge = metric.kind == PipelineMetric::Kind::kGauge;
      MetricFamily& family = families.emplace_back();
      family.name = metric.name;
      family.help = metric.help;
      family.type = gauge ? prometheus::MetricType::Gauge : prometheus::MetricType::Counter;
      for (size_t i = 0; i < pipelines.size(); ++i) {
        ClientMetric& sample = family.metric.emplace_back();
        sample.label = LabelsOf(pipelines[i]);
        (gauge ? sample.gauge.value : sample.counter.value) = metric.value(counters[i]);
      }
    }
    families.push_back(States(pipelines));
    return families;
  }

 private:
  Labels LabelsOf(const std::string& pipeline) const {
    return {{"subscription", processor_.subscription()}, {"pipeline", pipeline}};
  }

  MetricFamily States(const std::vector<std::string>& pipelines) const {
    using Kind = PipelineState::Kind;
    MetricFamily family;
    family.name = "eventhub_processor_state";
    family.help = "1 for the state that the pipeline is in.";
    family.type = prometheus::MetricType::Gauge;
    const std::vector<PipelineState> states = processor_.states();
    for (size_t i = 0; i < pipelines.size(); ++i) {
      for (const auto& [kind, name] :
           {std::pair(Kind::kRunning, "running"), std::pair(Kind::kWaiting, "waiting"),
            std::pair(Kind::kBroken, "broken")}) {
        ClientMetric& sample = family.metric.emplace_back();
        sample.label = LabelsOf(pipelines[i]);
        sample.label.push_back({"state", name});
        sample.gauge.value = states[i].kind == kind ? 1 : 0;
      }
    }
    return family;
  }

  const Processor& processor_;
};

}  // namespace

std::shared_ptr<prometheus::Collectable> MakePrometheusCollector(const Processor& processor) {
  return std::make_shared<Collector>(processor);
}

}  // namespace eventhub::processor
