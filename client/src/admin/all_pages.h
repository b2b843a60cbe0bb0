// Fetches lists that the hub returns a page at a time.
#pragma once

#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "eventhub/topic.h"

namespace eventhub::client {

inline constexpr uint32_t kPageSize = 1000;

// Fetches all pages of a list in order; `fetch` is called with a page token.
template <typename T, typename Fetch>
absl::StatusOr<std::vector<T>> AllPages(Fetch fetch) {
  std::vector<T> items;
  std::string token;
  do {
    absl::StatusOr<Page<T>> page = fetch(token);
    if (!page.ok()) return page.status();
    std::move(page->items.begin(), page->items.end(), std::back_inserter(items));
    token = std::move(page->next_page_token);
  } while (!token.empty());
  return items;
}

}  // namespace eventhub::client
