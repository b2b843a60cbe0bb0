#include "storage/base/metrics.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "storage/base/check.h"

namespace eventhub {
namespace {

bool IsCounterName(absl::string_view name) {
  return absl::StartsWith(name, "eventhub_") && absl::EndsWith(name, "_total") &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_';
         });
}

}  // namespace

Counter& Metrics::AddCounter(absl::string_view name, absl::string_view help) {
  EVENTHUB_CHECK(IsCounterName(name), "names of counters have the form eventhub_WORDS_total");
  MutexLock lock(mutex_);
  for (const Entry& entry : entries_) {
    EVENTHUB_CHECK(entry.name != name, "a metric has one owner");
  }
  return entries_.emplace_back(name, help).counter;
}

std::vector<Metrics::Sample> Metrics::Samples() const {
  std::vector<Sample> samples;
  MutexLock lock(mutex_);
  for (const Entry& entry : entries_) {
    samples.push_back({entry.name, entry.help, entry.counter.value()});
  }
  return samples;
}

}  // namespace eventhub
