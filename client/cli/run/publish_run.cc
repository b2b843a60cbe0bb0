#include "client/cli/run/publish_run.h"

#include <atomic>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/cli/frame/command.h"
#include "client/cli/input/line_reader.h"
#include "client/cli/input/read_file.h"
#include "client/cli/input/units.h"
#include "client/cli/run/ack_writer.h"
#include "client/cli/run/hub_watch.h"
#include "client/cli/run/interrupt.h"
#include "client/cli/run/progress.h"
#include "eventhub/error.h"
#include "eventhub/publisher.h"
#include "storage/base/mutex.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

// Collects the reports of the connection's threads. Thread-safe. Outlives the publisher.
class Tally {
 public:
  void OnBatch(const client::BatchResult& result) {
    if (result.status.ok()) {
      acknowledged_.fetch_add(result.events, std::memory_order_relaxed);
      duplicates_.fetch_add(result.duplicates.size(), std::memory_order_relaxed);
      delayed_.fetch_add(result.delayed.size(), std::memory_order_relaxed);
      return;
    }
    failed_.fetch_add(result.events, std::memory_order_relaxed);
    if (client::OutcomeIsUnknown(result.status)) {
      in_doubt_.fetch_add(result.events, std::memory_order_relaxed);
    }
    MutexLock lock(mutex_);
    first_error_.Update(result.status);
  }

  // Counts an acknowledged event: its encoded size, and the size of the input it was made from.
  void OnEvent(uint32_t bytes, uint32_t input) {
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
    input_.fetch_add(input, std::memory_order_relaxed);
  }

  uint64_t input() const { return input_.load(std::memory_order_relaxed); }
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  uint64_t acknowledged() const { return acknowledged_.load(std::memory_order_relaxed); }
  uint64_t duplicates() const { return duplicates_.load(std::memory_order_relaxed); }
  uint64_t delayed() const { return delayed_.load(std::memory_order_relaxed); }
  uint64_t failed() const { return failed_.load(std::memory_order_relaxed); }
  // The failed events that may have been appended.
  uint64_t in_doubt() const { return in_doubt_.load(std::memory_order_relaxed); }
  absl::Status first_error() const {
    MutexLock lock(mutex_);
    return first_error_;
  }

 private:
  std::atomic<uint64_t> acknowledged_{0};
  std::atomic<uint64_t> duplicates_{0};
  std::atomic<uint64_t> delayed_{0};
  std::atomic<uint64_t> failed_{0};
  std::atomic<uint64_t> in_doubt_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> input_{0};
  mutable Mutex mutex_;
  absl::Status first_error_ ABSL_GUARDED_BY(mutex_);
};

// One run of the command. The publisher is destroyed first, so that no callback uses a destroyed
// member.
class PublishRun {
 public:
  PublishRun(const PublishRunOptions& options, EventSource source)
      : options_(options), source_(std::move(source)), progress_(!options.quiet, [this] {
          return Flow{tally_.acknowledged(), tally_.bytes(), tally_.input()};
        }) {
    if (options.acks) acks_ = std::make_unique<AckWriter>();
  }

  absl::Status Run(const Context& context) {
    interrupt_.OnRaise([] {
      std::fputs("\neventhub: publishing the events read; interrupt again to give up\n", stderr);
    });
    RETURN_IF_ERROR(Connect(context));
    std::optional<HubWatch> watch;
    if (!options_.quiet) {
      watch.emplace(context.address,
                    PublishProbe(hub_, *publisher_, [this] { return tally_.acknowledged(); }));
    }
    absl::Status status = PublishFiles();
    const absl::Status flushed = publisher_->Flush();
    watch.reset();
    if (acks_ != nullptr) status.Update(acks_->Finish());
    return Report(std::move(status), flushed);
  }

 private:
  absl::Status Connect(const Context& context) {
    client::PublisherOptions publisher;
    publisher.topic = options_.topic;
    publisher.durability = options_.durability;
    publisher.producer_id = options_.producer_id;
    if (context.timeout.has_value()) publisher.deadline = *context.timeout;
    publisher.on_batch_done = [this](const client::BatchResult& result) { tally_.OnBatch(result); };
    hub_ = ConnectToHub(context);
    ASSIGN_OR_RETURN(publisher_, client::Publisher::Create(hub_, std::move(publisher)));
    return absl::OkStatus();
  }

  absl::Status PublishFiles() {
    std::vector<std::string> files = options_.files;
    if (files.empty()) files.emplace_back("-");
    if (progress_.enabled()) progress_.ExpectInput(SizeOf(files));
    for (const std::string& file : files) {
      ASSIGN_OR_RETURN(const auto lines, LineReader::Open(file, interrupt_.fd()));
      RETURN_IF_ERROR(PublishLines(*lines));
      if (Refused()) return absl::OkStatus();
    }
    if (interrupt_.raised()) return InterruptedError("interrupted before the end of the input");
    return absl::OkStatus();
  }

  absl::Status PublishLines(LineReader& lines) {
    for (uint64_t number = 1;; ++number) {
      ASSIGN_OR_RETURN(const std::optional<absl::string_view> line, lines.Next());
      if (!line.has_value() || interrupt_.raised()) return absl::OkStatus();
      if (line->empty()) continue;
      const absl::Status published = PublishLine(*line);
      if (!published.ok()) {
        const absl::Status named(published.code(), absl::StrCat(lines.name(), ", line ", number,
                                                                ": ", published.message()));
        if (!options_.keep_going || !absl::IsInvalidArgument(published)) return named;
        ++left_out_;
        if (first_left_out_.ok()) first_left_out_ = named;
      }
      if (Refused()) return absl::OkStatus();
    }
  }

  // Whether a refused event ends the run. The refusal may arrive after later lines were read;
  // Report returns the error.
  bool Refused() const { return !options_.keep_going && tally_.failed() > 0; }

  static absl::Status WithHint(const absl::Status& status, absl::string_view line) {
    const absl::string_view hint = JsonLineHint(line);
    if (hint.empty()) return status;
    return absl::Status(status.code(), absl::StrCat(status.message(), ": ", hint));
  }

  absl::Status PublishLine(absl::string_view line) {
    const absl::StatusOr<v1::Event> made = source_.FromLine(line);
    if (!made.ok()) return WithHint(made.status(), line);
    const v1::Event& event = *made;
    if (acks_ != nullptr) RETURN_IF_ERROR(acks_->WaitForSpace());
    if (options_.partition.has_value()) {
      return publisher_->PublishTo(*options_.partition, event, OnAck(event, line));
    }
    return publisher_->Publish(event, OnAck(event, line));
  }

  client::Publisher::Callback OnAck(const v1::Event& event, absl::string_view line) {
    // Small enough for the callback to store without an allocation.
    Tally* const tally = &tally_;
    const auto bytes = static_cast<uint32_t>(event.ByteSizeLong());
    const auto input = static_cast<uint32_t>(line.size() + 1);  // Including the line end.
    if (acks_ == nullptr) {
      return [tally, bytes, input](const absl::StatusOr<client::PublishedEvent>& result) {
        if (result.ok()) tally->OnEvent(bytes, input);
      };
    }
    return [tally, bytes, input, acks = acks_.get(),
            id = event.id()](const absl::StatusOr<client::PublishedEvent>& result) {
      if (!result.ok()) return;
      tally->OnEvent(bytes, input);
      acks->Add(id, *result);
    };
  }

  absl::Status Report(absl::Status status, const absl::Status& flushed) {
    const uint64_t acknowledged = tally_.acknowledged();
    if (!options_.quiet) {
      std::string summary = progress_.Summary();
      if (tally_.duplicates() > 0) {
        absl::StrAppend(&summary, "; ", FormatCount(tally_.duplicates()),
                        " of them are duplicates and were not appended");
      }
      if (tally_.delayed() > 0) {
        absl::StrAppend(&summary, "; ", FormatCount(tally_.delayed()), " of them are delayed");
      }
      progress_.Finish();
      std::fprintf(stderr, "published %s\n", summary.c_str());
    }
    if (tally_.failed() > 0) {
      status.Update(NotAcknowledged(acknowledged));
    }
    if (left_out_ > 0) {
      status.Update(
          absl::Status(first_left_out_.code(),
                       absl::StrCat(CountOf(left_out_, "line"), left_out_ == 1 ? " was" : " were",
                                    " left out; ", first_left_out_.message())));
    }
    status.Update(flushed);
    return status;
  }

  // Returns the error for the failed events. Requires at least one.
  absl::Status NotAcknowledged(uint64_t acknowledged) const {
    const absl::Status error = tally_.first_error();
    std::string message = absl::StrCat(
        FormatCount(tally_.failed()), " of ", CountOf(tally_.failed() + acknowledged, "event"),
        tally_.failed() == 1 ? " was" : " were", " not acknowledged");
    if (tally_.in_doubt() > 0) {
      absl::StrAppend(&message, ", ", FormatCount(tally_.in_doubt()),
                      " of them may be in the topic");
    }
    return absl::Status(error.code(), absl::StrCat(message, ": ", error.message()));
  }

  const PublishRunOptions& options_;
  Interrupt interrupt_;  // Before any thread is started.
  EventSource source_;
  uint64_t left_out_ = 0;
  absl::Status first_left_out_;
  Tally tally_;
  EventProgress progress_;
  std::unique_ptr<AckWriter> acks_;
  std::shared_ptr<client::Connection> hub_;
  std::unique_ptr<client::Publisher> publisher_;
};

}  // namespace

absl::Status RunPublish(const Context& context, const PublishRunOptions& options,
                        EventSource source) {
  return PublishRun(options, std::move(source)).Run(context);
}

}  // namespace eventhub::cli
