#include "server/main/logging.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/synchronization/notification.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/stubs/logging.h"
#include "google/protobuf/util/json_util.h"
#include "grpc/support/log.h"
#include "spdlog/async.h"
#include "spdlog/pattern_formatter.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"
#include "storage/base/clock.h"

namespace eventhub {
namespace {

// The message as a JSON string, quotes included.
class JsonMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    google::protobuf::Value value;
    value.set_string_value(std::string(message.payload.begin(), message.payload.end()));
    std::string json;
    if (!google::protobuf::util::MessageToJsonString(value, &json).ok()) {
      json = "\"(message is not UTF-8)\"";
    }
    out.append(json.data(), json.data() + json.size());
  }

  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonMessage>();
  }
};

// A separate thread writes the lines: threads that log, above all the commit thread, must not wait
// for the reader of stderr. If nothing reads it, only the newest lines are kept.
constexpr size_t kMaxWaitingLines = 4096;

// The number of gRPC errors logged per second. There is one for each failed handshake, and
// strangers can cause any number of those.
constexpr int kErrorsOfGrpcPerSecond = 5;

// Limits the number of lines per second. Thread-safe; concurrent calls at the turn of a second may
// let an extra line pass.
class LineLimit {
 public:
  // Returns whether another line may be logged, and then sets `*suppressed` to the number of lines
  // suppressed since the last one.
  bool Take(int* suppressed) {
    const int64_t second = absl::ToInt64Seconds(Clock::System().Monotonic());
    if (second_.exchange(second) != second) lines_ = 0;
    if (lines_++ >= kErrorsOfGrpcPerSecond) {
      ++suppressed_;
      return false;
    }
    *suppressed = suppressed_.exchange(0);
    return true;
  }

 private:
  std::atomic<int64_t> second_ = -1;
  std::atomic<int> lines_ = 0;
  std::atomic<int> suppressed_ = 0;
};

// Forwards gRPC's lines to this log. The error of a failed listen is reported by the start.
void LogOfGrpc(gpr_log_func_args* line) {
  static LineLimit limit;  // Static, because gRPC's log is per process.
  if (line->severity != GPR_LOG_SEVERITY_ERROR ||
      absl::StrContains(line->message, "No address added")) {
    spdlog::debug("gRPC: {}", line->message);
    return;
  }
  int suppressed = 0;
  if (!limit.Take(&suppressed)) return;
  if (suppressed > 0) spdlog::warn("gRPC: {} more errors suppressed", suppressed);
  spdlog::warn("gRPC: {}", line->message);
}

}  // namespace

void SetUpLogging(const std::string& format, const std::string& level) {
  spdlog::init_thread_pool(kMaxWaitingLines, 1);
  auto logger = spdlog::create_async_nb<spdlog::sinks::stderr_color_sink_mt>("eventhubd");
  logger->set_level(spdlog::level::from_str(level));
  if (format == "json") {
    auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
    formatter->add_flag<JsonMessage>('*');
    formatter->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l","message":%*})");
    logger->set_formatter(std::move(formatter));
  } else {
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%-5l%$ %v", spdlog::pattern_time_type::utc);
  }
  spdlog::set_default_logger(std::move(logger));
  // Otherwise protobuf writes a line to stderr for each request that is not UTF-8; the client gets
  // the error.
  google::protobuf::SetLogHandler(nullptr);
  gpr_set_log_function(LogOfGrpc);
}

void FlushLog() {
  constexpr absl::Duration kFlush = absl::Seconds(1);
  // Static: the thread may outlive this call.
  static absl::Notification flushed;
  std::thread([] {
    spdlog::shutdown();
    flushed.Notify();
  }).detach();
  flushed.WaitForNotificationWithTimeout(kFlush);
}

}  // namespace eventhub
