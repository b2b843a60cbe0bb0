#include "client/cli/run/lake_repair.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/output/terminal.h"
#include "eventhub/reader.h"
#include "server/lake/read/repair.h"
#include "storage/base/clock.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

// An orphan that is younger may be an object that the hub is about to list.
constexpr absl::Duration kOrphanAge = absl::Hours(24);
constexpr absl::Duration kHubWait = absl::Seconds(10);

// Gives the events of a range from the hub's log.
absl::Status ReadRange(const std::shared_ptr<client::Connection>& hub, const std::string& topic,
                       absl::Duration wait, const lake::OffsetRange& range, lake::TakeEvent take) {
  client::ReaderOptions options;
  options.topic = topic;
  options.partitions = {range.partition()};
  options.offsets = {{.partition = range.partition(), .offset = range.begin()}};
  options.stop_offset = range.end();
  options.as_stored = true;  // As it was archived.
  options.reconnect_deadline = wait;
  ASSIGN_OR_RETURN(const auto reader, client::Reader::Create(hub, options));
  for (;;) {
    ASSIGN_OR_RETURN(const client::EventBatch batch, reader->Next());
    if (batch.done()) return absl::OkStatus();
    const int64_t micros = absl::ToUnixMicros(batch.append_time());
    for (const client::ReceivedEvent& event : batch) {
      const std::string_view bytes = event.bytes();
      RETURN_IF_ERROR(take({event.partition(), event.offset(), micros},
                           absl::string_view(bytes.data(), bytes.size())));
    }
  }
}

}  // namespace

absl::Status RepairTopic(lake::ObjectStore& store, const lake::LakeTopic& topic,
                         const lake::VerifyReport& report, const Context& context, bool remove,
                         RepairTally* tally) {
  std::shared_ptr<client::Connection> hub;
  for (const lake::ObjectRecord& object : report.damaged) {
    if (hub == nullptr) hub = ConnectToHub(context);
    const std::string name = lake::ObjectName(topic, object);
    const absl::Status rebuilt = lake::RebuildObject(
        store, topic, object, [&](const lake::OffsetRange& range, lake::TakeEvent take) {
          return ReadRange(hub, topic.name, context.timeout.value_or(kHubWait), range, take);
        });
    if (rebuilt.ok()) {
      ++tally->rebuilt;
      absl::StrAppend(&tally->text, "rebuilt: ", Printable(name), "\n");
    } else {
      absl::StrAppend(&tally->text, "not rebuilt: ", Printable(name), ": ",
                      Printable(rebuilt.message()), "\n");
    }
  }
  const std::vector<lake::ObjectInfo> removable =
      lake::RemovableOrphans(topic, report.orphans, Clock::System().Now() - kOrphanAge);
  if (!remove) {
    tally->removable += removable.size();
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const uint64_t removed, lake::RemoveOrphans(store, topic, removable));
  tally->removed += removed;
  return absl::OkStatus();
}

}  // namespace eventhub::cli
