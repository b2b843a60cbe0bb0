#include "client/cli/commands/lake_restore.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/input/units.h"
#include "client/cli/output/shell_command.h"
#include "client/cli/output/table.h"
#include "client/cli/output/terminal.h"
#include "server/lake/manifest/hub_record.h"
#include "server/lake/manifest/owner.h"
#include "storage/base/status_macros.h"

namespace eventhub::cli {
namespace {

constexpr char kRestoreExamples[] = R"(
Sets up the data directory of a hub from its lake: the topics with their events, offsets and append times, as far as
their retention by age keeps them, and subscriptions, routes and links. Subscriptions go on where they were up to a
minute before the end, so some events are delivered again. Without --yes, only tells what would be restored. The work is done by `eventhubd --restore_from_lake`; if it is interrupted, the same
command goes on. Then start the hub with --lake: archiving goes on where the lake ends.

The directory must be empty, or a backup of the hub that wrote the lake, which gets the events that it lacks. The hub
of the lake must not run any more.

If the lake has erasable topics, `eventhubd` needs the hub's master keys: set EVENTHUB_ERASURE_MASTER_KEY_FILE or
EVENTHUB_ERASURE_MASTER_KEY_COMMAND.

Not in a lake: events of topics that are not archived, which dead letters are open, events that are delayed.

Examples:
  eventhub lake --lake=/srv/lake restore --data-dir=/var/lib/eventhub
  eventhub lake --lake=/srv/lake restore --data-dir=/var/lib/eventhub --yes)";

struct RestoreFlags {
  std::string data_dir;
  bool yes = false;
};

std::vector<std::string> CommandOf(const LakeFlags& common, const RestoreFlags& flags) {
  return {"eventhubd", absl::StrCat("--data_dir=", flags.data_dir),
          absl::StrCat("--restore_from_lake=", common.lake)};
}

absl::Status Describe(const OpenedLake& lake, const LakeFlags& common, const RestoreFlags& flags) {
  const auto owner = lake::ReadOwner(*lake.store);
  if (!owner.ok()) return OfLake(owner.status());
  const auto record = lake::ReadHubRecord(*lake.store);
  if (!record.ok()) return OfLake(record.status());
  const std::string& hub = (*owner)->hub;
  Table table({"TOPIC", ">PARTITIONS", ">EVENTS", ">RAW", "LAST"});
  for (const lake::CatalogEntry& entry : lake.catalog.entries()) {
    if (entry.topic.identity.hub != hub || entry.deleted) continue;
    const auto manifest = lake::Manifest::Load(*lake.store, entry.topic);
    if (!manifest.ok()) return OfLake(manifest.status());
    uint64_t events = 0;
    uint64_t raw_bytes = 0;
    int64_t last = 0;
    for (const auto& [sequence, object] : manifest->objects()) {
      events += object.events();
      raw_bytes += object.raw_bytes();
      if (object.events() > 0) last = std::max(last, object.last_append_micros());
    }
    table.AddRow({Printable(entry.topic.name), FormatCount(manifest->archived().size()),
                  FormatCount(events), FormatBytes(raw_bytes),
                  events == 0 ? "-" : FormatSecond(absl::FromUnixMicros(last))});
  }
  std::string text = table.Render();
  absl::StrAppend(&text, "hub ", hub, "; its settings, subscriptions, routes and links ");
  if (*record && (*record)->hub() == hub) {
    absl::StrAppend(&text, "as of ", FormatSecond(absl::FromUnixMicros((*record)->time_micros())),
                    "\n");
  } else {
    absl::StrAppend(&text, "are not in the lake: topics get default settings\n");
  }
  absl::StrAppend(
      &text, "nothing was restored; to restore: ", ShellCommand(CommandOf(common, flags)), "\n");
  return WriteOut(text);
}

// Becomes the daemon: the one beside this program, else the one that the shell finds.
absl::Status RunDaemon(const LakeFlags& common, const RestoreFlags& flags) {
  std::vector<std::string> words = CommandOf(common, flags);
  std::error_code error;
  const std::filesystem::path beside =
      std::filesystem::read_symlink("/proc/self/exe", error).replace_filename(words.front());
  const std::string program =
      !error && access(beside.c_str(), X_OK) == 0 ? beside.string() : words.front();
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  execvp(program.c_str(), arguments.data());
  return absl::FailedPreconditionError(
      absl::StrCat("cannot run '", program, "': ", std::strerror(errno)));
}

absl::Status RestoreLake(const LakeFlags& common, const RestoreFlags& flags) {
  ASSIGN_OR_RETURN(const OpenedLake lake, OpenLake(common));
  if (!flags.yes) return Describe(lake, common, flags);
  return RunDaemon(common, flags);
}

}  // namespace

void AddLakeRestoreCommand(CLI::App& group, Context& context, std::shared_ptr<LakeFlags> flags) {
  CLI::App* command =
      AddVerb(group, "restore", "Set up the data directory of a hub", kRestoreExamples);
  const auto restore = std::make_shared<RestoreFlags>();
  command->add_option("--data-dir", restore->data_dir, "The data directory of the new hub")
      ->required()
      ->type_name("DIR");
  command->add_flag("-y,--yes", restore->yes, "Restore, instead of telling what would be restored");
  SetRun(*command, context, [flags, restore] { return RestoreLake(*flags, *restore); });
}

}  // namespace eventhub::cli
