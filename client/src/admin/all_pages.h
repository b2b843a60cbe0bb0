// Fetches lists that the hub returns a page at a time.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventhub/topic.h"

namespace eventhub::client {

inline constexpr uint32_t kPageSize = 1000;

// Passes the items of a list to `visit` in order, until it returns false. Fetches a page at a time:
// `fetch` is called with a page token.
template <typename Fetch, typename Visit>
absl::Status VisitPages(Fetch fetch, Visit visit) {
  std::string token;
  do {
    auto page = fetch(token);
    if (!page.ok()) return page.status();
    for (auto& item : page->items) {
      if (!visit(std::move(item))) return absl::OkStatus();
    }
    token = std::move(page->next_page_token);
  } while (!token.empty());
  return absl::OkStatus();
}

// Fetches all pages of a list in order; `fetch` is called with a page token.
template <typename T, typename Fetch>
absl::StatusOr<std::vector<T>> AllPages(Fetch fetch) {
  std::vector<T> items;
  const absl::Status status = VisitPages(std::move(fetch), [&items](T item) {
    items.push_back(std::move(item));
    return true;
  });
  if (!status.ok()) return status;
  return items;
}

}  // namespace eventhub::client
