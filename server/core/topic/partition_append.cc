#include "server/core/topic/partition_append.h"

#include <array>
#include <cstring>
#include <numeric>

#include "storage/commit_builder.h"

namespace eventhub {
namespace {

// The indices of the events ordered by partition, stable: a radix sort, whose time and memory
// depend on the number of events, not of partitions.
std::vector<uint32_t> OrderByPartition(const std::vector<uint32_t>& partition_of,
                                       uint32_t partitions) {
  constexpr int kDigitBits = 8;
  constexpr uint32_t kDigits = 1u << kDigitBits;
  std::vector<uint32_t> order(partition_of.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<uint32_t> sorted(order.size());
  for (int shift = 0; (partitions - 1) >> shift > 0; shift += kDigitBits) {
    const auto digit_of = [&](uint32_t i) { return (partition_of[i] >> shift) % kDigits; };
    std::array<uint32_t, kDigits + 1> begin = {};
    for (const uint32_t i : order) ++begin[digit_of(i) + 1];
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    for (const uint32_t i : order) sorted[begin[digit_of(i)]++] = i;
    order.swap(sorted);
  }
  return order;
}

}  // namespace

std::vector<PartitionAppend> Distribute(const std::vector<uint32_t>& partition_of,
                                        absl::FunctionRef<absl::string_view(uint32_t i)> event,
                                        size_t bytes, const std::vector<PartitionLog*>& partitions,
                                        std::vector<uint32_t>* order_out) {
  std::vector<PartitionAppend> appends;
  const std::vector<uint32_t> order =
      OrderByPartition(partition_of, static_cast<uint32_t>(partitions.size()));
  char* to;
  const SharedBytes region = SharedBytes::Allocate(bytes, &to);
  for (size_t i = 0; i < order.size();) {
    const uint32_t partition = partition_of[order[i]];
    char* const begin = to;
    uint32_t count = 0;
    for (; i < order.size() && partition_of[order[i]] == partition; ++i, ++count) {
      const absl::string_view next = event(order[i]);
      const size_t run_bytes = static_cast<size_t>(to - begin) + next.size();
      if (count > 0 && run_bytes > CommitBuilder::kMaxBatchBytes) break;
      std::memcpy(to, next.data(), next.size());
      to += next.size();
    }
    const absl::string_view run(begin, static_cast<size_t>(to - begin));
    appends.push_back({partitions[partition], region.Sub(run), count});
  }
  if (order_out != nullptr) *order_out = order;
  return appends;
}

}  // namespace eventhub
