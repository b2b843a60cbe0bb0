// Several units of work at once, as a step after a group, or a call of a batch, sees them.
#pragma once

#include <cstddef>
#include <tuple>
#include <utility>
#include <vector>

namespace eventhub::processor {

// The values Ts of several units, in the order in which their events came. Valid as long as the
// arguments of the step. A step asks for the values that it needs:
//
//     [](const Units<Order>& orders) { return Total(orders); }
//     [](const Units<eventhub::v1::Event, Order>& orders) {
//       for (size_t i = 0; i < orders.size(); ++i) Use(orders.Get<Order>(i));
//     }
template <typename... Ts>
class Units {
 public:
  using Row = std::tuple<const Ts*...>;

  explicit Units(std::vector<Row> rows) : rows_(std::move(rows)) {}

  // At least 1.
  size_t size() const { return rows_.size(); }

  template <typename T>
  const T& Get(size_t i) const {
    return *std::get<const T*>(rows_[i]);
  }
  // The first of Ts.
  const auto& operator[](size_t i) const { return *std::get<0>(rows_[i]); }
  const auto& front() const { return (*this)[0]; }
  const auto& back() const { return (*this)[size() - 1]; }

 private:
  std::vector<Row> rows_;
};

}  // namespace eventhub::processor
