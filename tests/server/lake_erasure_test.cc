// Keys of subjects and erasures in the lake: restored hubs, restored backups, a lake that does not
// answer.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/lake/archive/lake_archive.h"
#include "server/lake/manifest/key_file.h"
#include "server/lake/restore/lake_restore.h"
#include "server/lake/store/open_store.h"
#include "storage/base/status_macros.h"
#include "tests/server/erasure_rig.h"
#include "tests/support/sanitizers.h"
#include "tests/support/temp_directory.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class LakeErasureTest : public testing::Test {
 protected:
  void SetUp() override {
    Prepare(hub_);
    ASSERT_THAT(hub_.Open(), IsOk());
    OpenLake(hub_);
    ASSERT_THAT(hub_.Create(ErasableTopic("t")), IsOk());
  }

  void Prepare(BrokerRig& rig) {
    rig.archive = ArchiveOptions{.location = lake_};
    rig.master_keys = MasterKeysOf(std::string(64, '7'));
  }

  // What a server does.
  void OpenLake(BrokerRig& rig) {
    auto lake = LakeArchive::Open(
        lake_, {.hub = rig.broker().links().hub_id(), .description = "test"}, rig.clock);
    ASSERT_THAT(lake, IsOk());
    archive_ = *std::move(lake);
    rig.broker().erasures().SetLake([this, &rig] { return Bring(rig); });
  }

  absl::Status Bring(BrokerRig& rig) { return rig.broker().archives()->BringKeys(*archive_); }

  absl::Status Restore(BrokerRig& rig) {
    LakeRestoreOptions options;
    options.lake = lake_;
    options.broker.store.directory = rig.disk.directory() + "/hub";
    options.broker.store.env = rig.disk.env();
    options.broker.clock = &rig.clock;
    options.broker.master_keys = rig.master_keys;
    return RestoreFromLake(std::move(options)).status();
  }

  absl::Status Archive(BrokerRig& rig) {
    for (const auto& archive : rig.broker().archives()->List()) {
      while (archive->Describe(absl::ZeroDuration()).lag_events() > 0) {
        RETURN_IF_ERROR(rig.broker().archives()->Advance(*archive, *archive_,
                                                         [](size_t) { return absl::OkStatus(); }));
      }
    }
    return absl::OkStatus();
  }

  // Everything in the files of the lake.
  std::string LakeFiles() const {
    std::string bytes;
    for (const auto& file : std::filesystem::recursive_directory_iterator(lake_)) {
      if (!file.is_regular_file()) continue;
      std::ifstream stream(file.path(), std::ios::binary);
      bytes.append(std::istreambuf_iterator<char>(stream), {});
    }
    return bytes;
  }

  // The state of the hub, which is closed, on another machine.
  void CopyHub(BrokerRig& to) {
    const std::string from = hub_.disk.directory();
    for (const std::string& file : hub_.disk.Files(from)) {
      if (absl::EndsWith(file, "/LOCK")) continue;
      const std::string path = to.disk.directory() + file.substr(from.size());
      for (size_t at = to.disk.directory().size() + 1;
           (at = path.find('/', at)) != std::string::npos; ++at) {
        to.disk.MakeDirectory(path.substr(0, at));
      }
      to.disk.WriteFile(path, hub_.disk.ReadFile(file));
    }
  }

  const TempDirectory directory_;
  const std::string lake_ = directory_ / "lake";
  BrokerRig hub_;
  std::unique_ptr<LakeArchive> archive_;
};

TEST_F(LakeErasureTest, RestoredHubHasItsKeysAndNoneThatWasDestroyed) {
  ASSERT_THAT(PublishAll(hub_, "t",
                         {SubjectEvent("a", "ann", "of ann"), SubjectEvent("b", "bob", "of bob")}),
              IsOk());
  ASSERT_THAT(Archive(hub_), IsOk());
  const std::vector<v1::Event> stored = *ReadEvents(hub_, ReadOf("t"), /*as_stored=*/true);
  const std::string of_ann = StoredKeyOf(hub_, stored[0]);
  const std::string of_bob = StoredKeyOf(hub_, stored[1]);
  EXPECT_THAT(LakeFiles(), AllOf(HasSubstr(of_ann), HasSubstr(of_bob)));
  ASSERT_THAT(EraseSubject(hub_, "ann"), IsOk());
  EXPECT_THAT(LakeFiles(), AllOf(Not(HasSubstr(of_ann)), HasSubstr(of_bob)));
  hub_.Close();
  archive_.reset();

  BrokerRig restored;
  Prepare(restored);
  restored.clock.Advance(hub_.clock.Now() - restored.clock.Now());
  ASSERT_THAT(Restore(restored), IsOk());
  ASSERT_THAT(restored.Open(), IsOk());
  OpenLake(restored);
  ASSERT_THAT(Bring(restored), IsOk());
  EXPECT_THAT(DataOf(restored, "t"), ElementsAre("", "of bob"));
  EXPECT_TRUE((*ReadEvents(restored, ReadOf("t")))[0].attributes().contains("dataerased"));
}

// And says so before it does anything.
TEST_F(LakeErasureTest, RestoreNeedsTheMasterKeys) {
  ASSERT_THAT(PublishAll(hub_, "t", {SubjectEvent("a", "ann", "of ann")}), IsOk());
  ASSERT_THAT(Archive(hub_), IsOk());
  hub_.Close();
  archive_.reset();

  BrokerRig other;
  other.master_keys = MasterKeysOf(std::string(64, '8'));
  EXPECT_THAT(Restore(other), StatusIs(StatusCode::kFailedPrecondition, "with the master key"));
  EXPECT_THAT(other.Open(), IsOk());
}

TEST_F(LakeErasureTest, RestoredBackupDoesNotBringItBack) {
  ASSERT_THAT(PublishAll(hub_, "t",
                         {SubjectEvent("a", "ann", "of ann"), SubjectEvent("b", "bob", "of bob")}),
              IsOk());
  ASSERT_THAT(Archive(hub_), IsOk());
  hub_.Close();
  BrokerRig backup;
  Prepare(backup);
  CopyHub(backup);
  ASSERT_THAT(hub_.Open(), IsOk());
  OpenLake(hub_);
  ASSERT_THAT(Bring(hub_), IsOk());
  hub_.clock.Advance(absl::Minutes(1));
  ASSERT_THAT(EraseSubject(hub_, "ann"), IsOk());
  hub_.Close();

  backup.clock.Advance(hub_.clock.Now() - backup.clock.Now());
  ASSERT_THAT(backup.Open(), IsOk());
  // Until the lake was asked, nobody knows.
  EXPECT_THAT(ReadEvents(backup, ReadOf("t")),
              Refused(StatusCode::kUnavailable, v1::ErrorDetail::REASON_LAKE_UNAVAILABLE));
  EXPECT_THAT(ReadEvents(backup, ReadOf("t"), /*as_stored=*/true), IsOk());
  const std::string of_ann =
      StoredKeyOf(backup, (*ReadEvents(backup, ReadOf("t"), /*as_stored=*/true))[0]);
  EXPECT_NE(of_ann, "");
  OpenLake(backup);
  ASSERT_THAT(Bring(backup), IsOk());
  EXPECT_THAT(DataOf(backup, "t"), ElementsAre("", "of bob"));
  for (const std::string& file : backup.disk.Files(backup.disk.directory())) {
    EXPECT_THAT(backup.disk.ReadFile(file), Not(HasSubstr(of_ann.substr(12)))) << file;
  }
  EXPECT_THAT(LakeFiles(), Not(HasSubstr(of_ann)));
  ASSERT_THAT(PublishAll(backup, "t", {SubjectEvent("c", "ann", "after")}), IsOk());
  backup.Reopen();
  OpenLake(backup);
  ASSERT_THAT(Bring(backup), IsOk());
  EXPECT_THAT(DataOf(backup, "t"), ElementsAre("", "of bob", "after"));
}

// What is erased is decided by time, which goes on if the clock is set back.
TEST_F(LakeErasureTest, ClockIsSetBack) {
  ASSERT_THAT(PublishAll(hub_, "t", {SubjectEvent("a", "ann", "before")}), IsOk());
  ASSERT_THAT(Archive(hub_), IsOk());
  const std::string before =
      StoredKeyOf(hub_, ReadEvents(hub_, ReadOf("t"), /*as_stored=*/true)->back());
  hub_.clock.Jump(-absl::Seconds(20));
  ASSERT_THAT(EraseSubject(hub_, "ann"), IsOk());
  EXPECT_THAT(LakeFiles(), Not(HasSubstr(before)));
  hub_.clock.Jump(-absl::Seconds(20));
  hub_.Reopen();
  OpenLake(hub_);
  ASSERT_THAT(Bring(hub_), IsOk());
  ASSERT_THAT(PublishAll(hub_, "t", {SubjectEvent("b", "ann", "after")}), IsOk());
  ASSERT_THAT(Archive(hub_), IsOk());
  const std::string after =
      StoredKeyOf(hub_, ReadEvents(hub_, ReadOf("t"), /*as_stored=*/true)->back());
  EXPECT_THAT(LakeFiles(), HasSubstr(after));
  EXPECT_THAT(DataOf(hub_, "t"), ElementsAre("", "after"));
}

TEST_F(LakeErasureTest, LakeThatDoesNotAnswerGetsTheChangesLater) {
  ASSERT_THAT(PublishAll(hub_, "t", {SubjectEvent("a", "ann", "of ann")}), IsOk());
  ASSERT_THAT(Archive(hub_), IsOk());
  const std::string of_ann =
      StoredKeyOf(hub_, (*ReadEvents(hub_, ReadOf("t"), /*as_stored=*/true))[0]);
  EXPECT_THAT(LakeFiles(), HasSubstr(of_ann));
  hub_.broker().erasures().SetLake([] { return absl::UnavailableError("no lake"); });
  EXPECT_THAT(EraseSubject(hub_, "ann"), StatusIs(StatusCode::kUnavailable, "repeat the call"));
  EXPECT_THAT(DataOf(hub_, "t"), ElementsAre(""));
  EXPECT_THAT(LakeFiles(), HasSubstr(of_ann));
  hub_.Reopen();
  OpenLake(hub_);
  ASSERT_THAT(Bring(hub_), IsOk());
  EXPECT_THAT(LakeFiles(), Not(HasSubstr(of_ann)));
  EXPECT_FALSE(hub_.broker().keys().any_changed());
  hub_.Reopen();
  EXPECT_FALSE(hub_.broker().keys().any_changed());
}

// The lake as it was opened, until one of the calls that concern keys: it fails, before or after it
// has done what it was asked, and so do all others.
class BrokenLake final : public ArchiveTarget {
 public:
  enum class Fails { kBefore, kAfter };

  BrokenLake(ArchiveTarget& lake, int call, Fails fails)
      : lake_(lake), left_(call), fails_(fails) {}

  bool reached() const { return left_ <= 0; }

  absl::StatusOr<std::string> Keys(uint32_t part) override {
    return Do([&] { return lake_.Keys(part); });
  }
  absl::StatusOr<std::string> Erasures() override {
    return Do([&] { return lake_.Erasures(); });
  }
  absl::Status KeepKeys(uint32_t part, const std::string& keys, bool purge) override {
    return Do([&] { return lake_.KeepKeys(part, keys, purge); });
  }
  absl::Status KeepErasures(const std::string& erasures) override {
    return Do([&] { return lake_.KeepErasures(erasures); });
  }

  absl::StatusOr<uint64_t> NextSequence(const ArchivedTopic& topic) override {
    return lake_.NextSequence(topic);
  }
  absl::StatusOr<std::unique_ptr<Object>> Begin(const ArchivedTopic& topic,
                                                const stored::ArchiveObject& object) override {
    return lake_.Begin(topic, object);
  }
  absl::Status List(const ArchivedTopic& topic, const stored::ArchiveObject& object) override {
    return lake_.List(topic, object);
  }
  absl::Status KeepOnly(const std::vector<TopicId>& present, TopicId upto) override {
    return lake_.KeepOnly(present, upto);
  }

 private:
  template <typename Call>
  auto Do(Call call) -> decltype(call()) {
    const bool breaks = --left_ <= 0;
    if (left_ == 0 && fails_ == Fails::kAfter) call().IgnoreError();
    if (breaks) return absl::UnavailableError("no lake");
    return call();
  }

  ArchiveTarget& lake_;
  int left_;
  const Fails fails_;
};

// The hub is killed at every step of an erasure that concerns the lake.
TEST_F(LakeErasureTest, KilledAtEveryStep) {
  using Fails = BrokenLake::Fails;
  bool through = false;
  int subject = 0;
  for (int call = 1; !through && !HasFatalFailure(); call += kStride) {
    ASSERT_LT(call, 30);
    for (const Fails fails : {Fails::kBefore, Fails::kAfter}) {
      SCOPED_TRACE(call);
      const std::string name = "subject " + std::to_string(++subject);
      ASSERT_THAT(PublishAll(hub_, "t", {SubjectEvent(name, name, "clear")}), IsOk());
      ASSERT_THAT(Archive(hub_), IsOk());
      const std::string key =
          StoredKeyOf(hub_, ReadEvents(hub_, ReadOf("t"), /*as_stored=*/true)->back());
      ASSERT_THAT(LakeFiles(), HasSubstr(key));
      hub_.Close();
      BrokerRig backup;
      Prepare(backup);
      CopyHub(backup);
      ASSERT_THAT(hub_.Open(), IsOk());
      OpenLake(hub_);
      ASSERT_THAT(Bring(hub_), IsOk());
      hub_.clock.Advance(absl::Minutes(1));

      BrokenLake broken(*archive_, call, fails);
      hub_.broker().erasures().SetLake([&] { return hub_.broker().archives()->BringKeys(broken); });
      const absl::Status erased = EraseSubject(hub_, name).status();
      through = !broken.reached();
      EXPECT_EQ(erased.ok(), through) << erased;
      hub_.disk.Cut();
      hub_.Close();
      hub_.disk.Forget();

      ASSERT_THAT(hub_.Open(), IsOk());
      OpenLake(hub_);
      ASSERT_THAT(Bring(hub_), IsOk());
      EXPECT_EQ(DataOf(hub_, "t").back(), "");
      EXPECT_THAT(LakeFiles(), Not(HasSubstr(key)));
      hub_.Close();
      // Nor does it come back with a backup.
      backup.clock.Advance(hub_.clock.Now() - backup.clock.Now());
      ASSERT_THAT(backup.Open(), IsOk());
      OpenLake(backup);
      ASSERT_THAT(Bring(backup), IsOk());
      EXPECT_EQ(DataOf(backup, "t").back(), "");
      backup.Close();
      ASSERT_THAT(hub_.Open(), IsOk());
      OpenLake(hub_);
      ASSERT_THAT(Bring(hub_), IsOk());
    }
  }
}

TEST_F(LakeErasureTest, LakeHasCiphertextAndHistoryIsOpened) {
  ASSERT_THAT(
      PublishAll(hub_, "t", {SubjectEvent("a", "ann", "of ann"), MakeEvent("b", "", "clear")}),
      IsOk());
  ASSERT_THAT(Archive(hub_), IsOk());
  const auto store = lake::OpenObjectStore(lake_, lake::StoreAccess::kRead);
  ASSERT_THAT(store, IsOk());
  size_t keys = 0;
  for (uint32_t part = 0; part < lake::kKeyParts; ++part) {
    ASSERT_OK_AND_ASSIGN(const std::string text, lake::ReadKeys(**store, part));
    keys += text.empty() ? 0 : 1;
  }
  EXPECT_EQ(keys, 1u);
  EXPECT_THAT(lake::ReadErasures(**store), IsOk());
  EXPECT_THAT(LakeFiles(), Not(HasSubstr("of ann")));
}

}  // namespace
}  // namespace eventhub
