#include "storage/store_logger.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>

namespace eventhub {

void StoreLogger::Logv(const char* format, va_list arguments) {
  if (!report_) return;
  constexpr size_t kMaxMessage = 2'000;  // Bytes; longer messages are truncated.
  char text[kMaxMessage];
  const int length = std::vsnprintf(text, sizeof(text), format, arguments);
  if (length <= 0 || std::strstr(text, "Compaction too large") != nullptr) return;
  report_(std::string(text, std::min<size_t>(static_cast<size_t>(length), sizeof(text) - 1)));
}

}  // namespace eventhub
