// The metrics of a processor in Prometheus.

#include "eventhub/processor/prometheus.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "eventhub/processor/metrics.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"

namespace eventhub::processor {
namespace {

using ::testing::HasSubstr;

class FixedProcessor final : public Processor {
 public:
  void RequestStop() override {}
  absl::Status Wait(absl::Duration) override { return absl::OkStatus(); }
  absl::Status Stop(absl::Duration) override { return absl::OkStatus(); }
  absl::Status WaitForSignal(absl::Duration) override { return absl::OkStatus(); }
  const std::string& subscription() const override { return subscription_; }
  std::vector<std::string> pipelines() const override { return {"one", "two"}; }
  std::vector<PipelineCounters> counters() const override {
    PipelineCounters one;
    one.events = 7;
    one.io_wait = absl::Milliseconds(1500);
    one.in_flight = 3;
    return {one, {}};
  }
  std::vector<PipelineState> states() const override {
    return {{.kind = PipelineState::Kind::kWaiting}, {}};
  }

 private:
  const std::string subscription_ = "orders.review";
};

TEST(PrometheusTest, HasEachMetricOfEachPipeline) {
  const FixedProcessor processor;
  const std::string text =
      prometheus::TextSerializer().Serialize(MakePrometheusCollector(processor)->Collect());
  EXPECT_THAT(text, HasSubstr("# TYPE eventhub_processor_events_total counter\n"));
  EXPECT_THAT(
      text,
      HasSubstr(
          "eventhub_processor_events_total{subscription=\"orders.review\",pipeline=\"one\"} 7"));
  EXPECT_THAT(text, HasSubstr("eventhub_processor_io_wait_seconds_total{subscription=\"orders."
                              "review\",pipeline=\"one\"} 1.5"));
  EXPECT_THAT(text, HasSubstr("# TYPE eventhub_processor_in_flight gauge\n"));
  EXPECT_THAT(text, HasSubstr("pipeline=\"one\",state=\"waiting\"} 1"));
  EXPECT_THAT(text, HasSubstr("pipeline=\"one\",state=\"running\"} 0"));
  EXPECT_THAT(text, HasSubstr("pipeline=\"two\",state=\"running\"} 1"));
}

TEST(PrometheusTest, NamesAreUniqueAndEndAsTheirKindDoes) {
  std::set<std::string> names;
  for (const PipelineMetric& metric : PipelineMetrics()) {
    const std::string name = metric.name;
    EXPECT_TRUE(names.insert(name).second) << name;
    const bool total = name.size() > 6 && name.substr(name.size() - 6) == "_total";
    EXPECT_EQ(total, metric.kind == PipelineMetric::Kind::kCounter) << name;
  }
}

}  // namespace
}  // namespace eventhub::processor
