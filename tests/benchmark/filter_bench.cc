// Filters on stored events, on one thread: how many events per second each filter examines,
// compared with a copy of the same bytes and with a walk from event to event. No hub, no disk.
// Example:
//   filter_bench --event_bytes=100 --seconds=1
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "eventhub/v1/event.pb.h"
#include "eventhub/v1/filter.pb.h"
#include "proto/wire/field_reader.h"
#include "proto/wire/fields.h"
#include "proto/wire/writer.h"
#include "server/filter/filter.h"
#include "tests/benchmark/measure.h"

ABSL_FLAG(uint64_t, event_bytes, 100, "size of an encoded event, about");
ABSL_FLAG(uint64_t, batch_bytes, 256 << 10, "bytes that lie together, as in a stored batch");
ABSL_FLAG(double, seconds, 1, "how long to measure each");

namespace eventhub::benchmark {
namespace {

constexpr int kTypes = 100;

std::string TypeOf(int number) { return absl::StrCat("shop.order.kind", number % kTypes); }

// Events of a hundred alternating types, encoded as `repeated Event events = 15`.
std::string MakeBatch() {
  std::string batch;
  for (int i = 0; batch.size() < absl::GetFlag(FLAGS_batch_bytes); ++i) {
    v1::Event event;
    event.set_id(absl::StrCat("id-", 100'000 + i));
    event.set_source("/shop");
    event.set_type(TypeOf(i));
    event.set_partition_key(absl::StrCat("key-", i % 1000));
    (*event.mutable_attributes())["hop"].set_integer(i % 10);
    const size_t header = event.ByteSizeLong() + 2;
    if (const uint64_t wanted = absl::GetFlag(FLAGS_event_bytes); wanted > header) {
      event.set_data(std::string(wanted - header, 'x'));
    }
    wire::AppendBytes(wire::kEventsField, event.SerializeAsString(), &batch);
  }
  return batch;
}

// Calls `look` for each event; returns the number of events.
template <typename Look>
uint64_t ForEach(const std::string& batch, Look look) {
  uint64_t events = 0;
  wire::FieldReader event{absl::string_view(batch)};
  for (; event.Next(); ++events) look(event.bytes());
  return events;
}

// Runs `pass` repeatedly; it returns how many events it has seen and how many matched.
void Measure(const std::string& name, const std::function<std::pair<uint64_t, uint64_t>()>& pass,
             Result& result) {
  pass();
  const Stopwatch watch;
  uint64_t seen = 0, passed = 0;
  while (watch.Seconds() < absl::GetFlag(FLAGS_seconds)) {
    const auto [more_seen, more_passed] = pass();
    seen += more_seen;
    passed += more_passed;
  }
  result.emplace_back(name + "_per_s", static_cast<double>(seen) / watch.Seconds());
  result.emplace_back(name + "_passed_percent",
                      100.0 * static_cast<double>(passed) / static_cast<double>(seen));
}

v1::Filter Sql(const std::string& expression) {
  v1::Filter filter;
  filter.set_sql(expression);
  return filter;
}

std::vector<std::pair<std::string, v1::Filter>> Filters() {
  v1::Filter exact, prefix, any;
  (*exact.mutable_exact()->mutable_values())["type"] = TypeOf(7);
  (*prefix.mutable_prefix()->mutable_values())["type"] = "shop.order.kind9";
  for (const char* const hop : {"1", "2"}) {
    (*any.mutable_any()->add_filters()->mutable_exact()->mutable_values())["hop"] = hop;
  }
  return {{"exact_type", exact},
          {"prefix_type", prefix},
          {"any_extension", any},
          {"sql_type", Sql("type = 'shop.order.kind7'")},
          {"sql_three", Sql("source = '/shop' AND type != 'shop.order.kind7' AND hop < 5")},
          {"sql_like", Sql("type LIKE 'shop.%.kind_'")},
          {"sql_in", Sql("type IN ('a', 'b', 'shop.order.kind1', 'shop.order.kind2')")},
          {"sql_function", Sql("UPPER(LEFT(type, 4)) = 'SHOP' AND LENGTH(id) > 8")}};
}

int Run() {
  const std::string batch = MakeBatch();
  const uint64_t events = ForEach(batch, [](absl::string_view) {});
  std::string copy(batch.size(), '\0');
  volatile uint64_t sink = 0;
  Result result;
  const auto copy_all = [&] {
    std::memcpy(copy.data(), batch.data(), batch.size());
    sink = sink + static_cast<uint8_t>(copy[copy.size() / 2]);
    return std::pair(events, events);
  };
  const auto walk = [&] {
    uint64_t bytes = 0;
    const uint64_t seen = ForEach(batch, [&](absl::string_view event) { bytes += event.size(); });
    sink = sink + bytes;
    return std::pair(seen, seen);
  };
  Measure("copy", copy_all, result);
  Measure("walk", walk, result);
  for (const auto& [name, filter] : Filters()) {
    const absl::StatusOr<CompiledFilter> compiled = CompileFilter(filter);
    if (!compiled.ok()) {
      std::fprintf(stderr, "%s: %s\n", name.c_str(), compiled.status().ToString().c_str());
      return 1;
    }
    const auto match = [&filter = *compiled, &batch] {
      uint64_t passed = 0;
      const uint64_t seen =
          ForEach(batch, [&](absl::string_view event) { passed += filter.Matches(event); });
      return std::pair(seen, passed);
    };
    Measure(name, match, result);
  }
  PrintResult("filters", result);
  return 0;
}

}  // namespace
}  // namespace eventhub::benchmark

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  return eventhub::benchmark::Run();
}
