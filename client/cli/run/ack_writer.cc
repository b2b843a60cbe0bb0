#include "client/cli/run/ack_writer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/frame/command.h"
#include "client/cli/output/terminal.h"

namespace eventhub::cli {
namespace {

constexpr size_t kRoom = size_t{8} << 20;

}  // namespace

AckWriter::AckWriter() : thread_([this] { Run(); }) {}

AckWriter::~AckWriter() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    added_.NotifyAll();
  }
  thread_.join();
}

void AckWriter::Add(absl::string_view id, const client::PublishedEvent& event) {
  MutexLock lock(mutex_);
  if (event.delayed.has_value()) {
    absl::StrAppend(&pending_, "delayed\t", event.delayed->id, "\t");
  } else if (event.offset < 0) {
    absl::StrAppend(&pending_, "duplicate\t-\t");
  } else {
    absl::StrAppend(&pending_, event.partition, "\t", event.offset, "\t");
  }
  AppendPrintable(id, &pending_);
  pending_.push_back('\n');
  added_.NotifyOne();
}

absl::Status AckWriter::WaitForSpace() { return WaitUntilBelow(kRoom); }

absl::Status AckWriter::Finish() { return WaitUntilBelow(1); }

absl::Status AckWriter::WaitUntilBelow(size_t bytes) {
  MutexLock lock(mutex_);
  while (status_.ok() && (pending_.size() >= bytes || (bytes == 1 && printing_))) {
    printed_.Wait(mutex_);
  }
  return status_;
}

void AckWriter::Run() {
  std::string text;
  mutex_.Lock();
  while (true) {
    while (pending_.empty() && !stopping_) added_.Wait(mutex_);
    if (pending_.empty() || !status_.ok()) break;
    text.clear();
    std::swap(text, pending_);
    printing_ = true;
    mutex_.Unlock();
    absl::Status written = WriteOut(text);
    mutex_.Lock();
    printing_ = false;
    status_.Update(written);
    printed_.NotifyAll();
  }
  mutex_.Unlock();
}

}  // namespace eventhub::cli
