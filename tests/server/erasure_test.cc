// Sealing, opening and erasing the data of events about subjects.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "server/core/admin/erasures.h"
#include "server/core/erasure/key_entries.h"
#include "server/core/erasure/key_records.h"
#include "server/core/erasure/master_keys.h"
#include "server/core/erasure/open_events.h"
#include "server/core/erasure/sealed_event.h"
#include "server/core/event/event_scanner.h"
#include "storage/commit_builder.h"
#include "storage/key_codec.h"
#include "storage/log_store.h"
#include "tests/server/erasure_rig.h"
#include "tests/server/route_rig.h"
#include "tests/server/seeded.h"
#include "tests/support/caller.h"

namespace eventhub {
namespace {

using absl::StatusCode;
using google::protobuf::util::MessageDifferencer;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

const std::string kFirstKey(64, 'a');
const std::string kSecondKey(64, 'b');

// ---- Keys

TEST(MasterKeysTest, AreParsed) {
  EXPECT_THAT(MasterKeys::Parse(kFirstKey), IsOk());
  EXPECT_THAT(MasterKeys::Parse("# new\n" + kFirstKey + "\r\n\n  " + kSecondKey + "\n"), IsOk());
  for (const std::string& text :
       {std::string(), std::string("# nothing\n"), kFirstKey + "0", kFirstKey.substr(1),
        kFirstKey.substr(1) + "g", kFirstKey + "\n" + kFirstKey}) {
    const absl::StatusOr<MasterKeys> keys = MasterKeys::Parse(text);
    EXPECT_THAT(keys, StatusIs(StatusCode::kInvalidArgument)) << text;
    EXPECT_THAT(keys.status().message(), Not(HasSubstr("aaaa")));  // No part of a key.
  }
}

TEST(MasterKeysTest, WrapKeys) {
  const MasterKeys first = MasterKeysOf(kFirstKey);
  const SecretKey key = SecretKey::Random();
  const std::string wrapped = first.Wrap(key, "context");
  EXPECT_EQ(wrapped.size(), MasterKeys::kWrappedBytes);
  EXPECT_NE(wrapped, first.Wrap(key, "context"));
  ASSERT_OK_AND_ASSIGN(const SecretKey unwrapped, first.Unwrap(wrapped, "context"));
  EXPECT_EQ(unwrapped.view(), key.view());
  EXPECT_THAT(first.Unwrap(wrapped, "another"), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(MasterKeysOf(kSecondKey).Unwrap(wrapped, "context"), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(MasterKeysOf(kSecondKey + "\n" + kFirstKey).Unwrap(wrapped, "context"), IsOk());
  for (size_t i = 0; i < wrapped.size(); ++i) {
    std::string damaged = wrapped;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_THAT(first.Unwrap(damaged, "context"), StatusIs(StatusCode::kDataLoss)) << i;
  }
  EXPECT_THAT(first.Unwrap("", "context"), StatusIs(StatusCode::kDataLoss));
}

TEST(KeyRecords, AreStoredInThisForm) {
  const DataKeyRecord key{0x0102030405060708, std::string(MasterKeys::kWrappedBytes, 'w')};
  const std::string value = key.Encode();
  EXPECT_EQ(value, std::string("\1\0\0\0\x08\7\6\5\4\3\2\1", 12) + key.wrapped);
  ASSERT_OK_AND_ASSIGN(const DataKeyRecord decoded, DataKeyRecord::Decode(value));
  EXPECT_EQ(decoded.create_micros, key.create_micros);
  EXPECT_EQ(decoded.wrapped, key.wrapped);
  const ErasureRecord erasure{5, 3, "me"};
  EXPECT_EQ(erasure.Encode(), std::string("\1\0\0\0\5\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0me", 22));
  ASSERT_OK_AND_ASSIGN(const ErasureRecord read, ErasureRecord::Decode(erasure.Encode()));
  EXPECT_EQ(read.erase_micros, 5);
  EXPECT_EQ(read.keys, 3u);
  EXPECT_EQ(read.principal, "me");
  EXPECT_THAT(DataKeyRecord::Decode(value.substr(1)), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(DataKeyRecord::Decode("\2" + value.substr(1)), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(ErasureRecord::Decode("\1"), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(ErasureRecord::Decode("\2" + erasure.Encode().substr(1)),
              StatusIs(StatusCode::kDataLoss));
  EXPECT_EQ(DataKeyKey("subject", "id"), "xsubjectid");
  EXPECT_EQ(ErasedSubjectKey("subject"), "ysubject");
  EXPECT_EQ(MasterKeyKey("id"), "zid");
}

TEST(SealedEvent, MarkIsTheHashOfNoType) { EXPECT_EQ(HashOfType(""), kSealedMark); }

TEST(KeyEntriesTest, RoundTrip) {
  const std::string hash(kSubjectHashBytes, 'h');
  const KeyEntries entries = {
      {DataKeyKey(hash, std::string(kDataKeyIdBytes, '\0')), ""},
      {DataKeyKey(hash, std::string(kDataKeyIdBytes, 'i')), std::string(70000, 'x')}};
  const std::string text = EncodeEntries(entries);
  ASSERT_OK_AND_ASSIGN(const KeyEntries read, DecodeKeys(text));
  EXPECT_THAT(DecodeErasures(text), StatusIs(StatusCode::kDataLoss));
  EXPECT_THAT(DecodeErasures(EncodeEntries({{ErasedSubjectKey(hash), "v"}})), IsOk());
  for (const char* key : {"", "x", "y"}) {
    EXPECT_THAT(DecodeKeys(EncodeEntries({{key, "v"}})), StatusIs(StatusCode::kDataLoss)) << key;
    EXPECT_THAT(DecodeErasures(EncodeEntries({{key, "v"}})), StatusIs(StatusCode::kDataLoss));
  }
  EXPECT_EQ(read, entries);
  EXPECT_EQ(EncodeEntries({{"k", "v"}}), std::string("\1\0\0\0k\1\0\0\0v", 10));
  for (const size_t size : {size_t{1}, size_t{7}, size_t{9}, text.size() - 1}) {
    EXPECT_THAT(DecodeKeys(text.substr(0, size)), StatusIs(StatusCode::kDataLoss)) << size;
  }
}

// ---- Events

class SealedEventTest : public SeededTest {
 protected:
  std::string Text(int64_t most) {
    std::string text(static_cast<size_t>(Int(0, most)), '\0');
    for (char& c : text) c = static_cast<char>(Int(0, 255));
    return text;
  }
};

TEST_F(SealedEventTest, RoundTripsGiveTheSameEvent) {
  const int steps = Steps(500);
  for (int i = 0; i < steps; ++i) {
    v1::Event event =
        SubjectEvent(std::to_string(i), "subject", "x" + Text(i % 10 == 0 ? 70000 : 50));
    if (OneIn(2)) event.set_subject("s");
    if (OneIn(2)) event.set_data_content_type("application/json");
    if (OneIn(2)) event.mutable_time()->set_seconds(Int(0, 1'000'000));
    if (OneIn(2)) (*event.mutable_attributes())["binary"].set_binary(Text(20));
    const SecretKey key = SecretKey::Random();
    const KeyName name{HashOfSubject("subject") + RandomBytes(kDataKeyIdBytes)};
    std::string region;
    AppendSealedEvent(event.SerializeAsString(), name, key, &region);
    EventScan scan;
    ASSERT_THAT(ScanEvents(region, SIZE_MAX, false, &scan), IsOk());
    ASSERT_EQ(scan.sealed, 0u);
    EXPECT_TRUE(scan.types.MayHave({&kSealedMark, 1}));
    v1::EventBatch sealed;
    ASSERT_TRUE(sealed.ParseFromString(region));
    const std::string stored = sealed.events(0).SerializeAsString();
    EXPECT_NE(sealed.events(0).data(), event.data());
    const std::optional<SealedData> found = FindSealedData(stored);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->key.bytes, name.bytes);
    const std::optional<std::string> data = OpenData(*found, key);
    ASSERT_EQ(data, event.data());
    EXPECT_EQ(OpenData(*found, SecretKey::Random()), std::nullopt);
    std::string opened;
    AppendOpened(stored, *data, &opened);
    v1::EventBatch batch;
    ASSERT_TRUE(batch.ParseFromString(opened));
    EXPECT_TRUE(MessageDifferencer::Equals(batch.events(0), event)) << i;
  }
}

TEST(SealedEvent, CannotBeMovedToAnotherEvent) {
  const SecretKey key = SecretKey::Random();
  const KeyName name{HashOfSubject("subject") + RandomBytes(kDataKeyIdBytes)};
  std::string region;
  AppendSealedEvent(SubjectEvent("a", "subject", "data").SerializeAsString(), name, key, &region);
  v1::EventBatch sealed;
  ASSERT_TRUE(sealed.ParseFromString(region));
  const auto opens = [&key](const v1::Event& event) {
    const std::string encoded = event.SerializeAsString();
    const std::optional<SealedData> found = FindSealedData(encoded);
    return found.has_value() && OpenData(*found, key).has_value();
  };
  v1::Event event = sealed.events(0);
  EXPECT_TRUE(opens(event));
  event.set_type("another");  // As routes may.
  (*event.mutable_attributes())["datasubject"].set_string("another");
  EXPECT_TRUE(opens(event));
  v1::Event moved = event;
  moved.set_id("b");
  EXPECT_FALSE(opens(moved));
  moved = event;
  moved.set_source("/tes");
  moved.set_id("ta");
  EXPECT_FALSE(opens(moved));
  std::string& data = *event.mutable_data();
  for (char& c : data) {
    c = static_cast<char>(c ^ 1);
    EXPECT_FALSE(opens(event));
    c = static_cast<char>(c ^ 1);
  }
  data.pop_back();
  EXPECT_FALSE(opens(event));
}

TEST(SealedEvent, SubjectIsAString) {
  EXPECT_EQ(SubjectOf(SubjectEvent("a", "s", "d").SerializeAsString()), "s");
  EXPECT_EQ(SubjectOf(SubjectEvent("a", std::string(1024, 's'), "d").SerializeAsString()),
            std::string(1024, 's'));
  EXPECT_EQ(SubjectOf(SubjectEvent("a", std::string(1025, 's'), "d").SerializeAsString()),
            std::nullopt);
  EXPECT_EQ(SubjectOf(SubjectEvent("a", "", "d").SerializeAsString()), std::nullopt);
  EXPECT_EQ(SubjectOf(MakeEvent("a", "", "d").SerializeAsString()), std::nullopt);
  v1::Event event = SubjectEvent("a", "s", "d");
  (*event.mutable_attributes())["datasubject"].set_integer(7);
  EXPECT_EQ(SubjectOf(event.SerializeAsString()), std::nullopt);
  (*event.mutable_attributes())["datasubject"].set_uri("s");
  EXPECT_EQ(SubjectOf(event.SerializeAsString()), std::nullopt);
}

// ---- The hub

class ErasureTest : public testing::Test {
 protected:
  void SetUp() override {
    rig_.master_keys = MasterKeysOf(kFirstKey);
    ASSERT_THAT(rig_.Open(), IsOk());
    ASSERT_THAT(rig_.Create(ErasableTopic("t")), IsOk());
  }

  absl::StatusOr<v1::PublishResult> Publish(const std::vector<v1::Event>& events,
                                            const std::string& topic = "t") {
    return PublishAll(rig_, topic, events);
  }

  // The events of a topic, as they are stored or delivered.
  std::vector<v1::Event> Read(const std::string& topic = "t", bool as_stored = false,
                              v1::ReadRequest request = {}) {
    request.set_topic(topic);
    const absl::StatusOr<std::vector<v1::Event>> events = ReadEvents(rig_, request, as_stored);
    EXPECT_THAT(events, IsOk());
    return events.ok() ? *events : std::vector<v1::Event>();
  }

  std::vector<std::string> DataIn(const std::string& topic = "t", bool as_stored = false) {
    return DataOf(rig_, topic, as_stored);
  }

  absl::StatusOr<v1::Erasure> Erase(const std::string& subject) {
    return EraseSubject(rig_, subject);
  }

  // Everything in the files of the store.
  std::string Files() {
    std::string bytes;
    for (const std::string& file : rig_.disk.Files(rig_.disk.directory())) {
      bytes += rig_.disk.ReadFile(file);
    }
    return bytes;
  }

  RouteRig rig_;
};

TEST_F(ErasureTest, SealsOnlyEventsWithASubject) {
  v1::Event plain = MakeEvent("b", "", "clear of b");
  const v1::Event sealed = SubjectEvent("a", "ann", "clear of a");
  const v1::Event empty = SubjectEvent("c", "ann", "");
  ASSERT_THAT(Publish({sealed, plain, empty}), IsOk());
  const std::vector<v1::Event> stored = Read("t", /*as_stored=*/true);
  ASSERT_EQ(stored.size(), 3u);
  EXPECT_EQ(stored[0].id(), "a");
  EXPECT_THAT(stored[0].data(), Not(HasSubstr("clear")));
  EXPECT_TRUE(stored[0].attributes().contains("datasealed"));
  EXPECT_EQ(stored[0].attributes().at("datasubject").string(), "ann");
  EXPECT_TRUE(MessageDifferencer::Equals(stored[1], plain));
  EXPECT_TRUE(MessageDifferencer::Equals(stored[2], empty));
  const std::vector<v1::Event> read = Read();
  ASSERT_EQ(read.size(), 3u);
  EXPECT_TRUE(MessageDifferencer::Equals(read[0], sealed));
  EXPECT_TRUE(MessageDifferencer::Equals(read[1], plain));
  EXPECT_THAT(Files(), AllOf(HasSubstr("clear of b"), Not(HasSubstr("clear of a"))));
  // In a topic that is not erasable.
  ASSERT_THAT(rig_.Create("u"), IsOk());
  ASSERT_THAT(Publish({sealed}, "u"), IsOk());
  EXPECT_TRUE(MessageDifferencer::Equals(Read("u", true)[0], sealed));
}

TEST_F(ErasureTest, ErasesOneSubjectForGood) {
  ASSERT_THAT(Publish({SubjectEvent("a", "ann", "of ann"), SubjectEvent("b", "bob", "of bob")}),
              IsOk());
  ASSERT_THAT(Publish({SubjectEvent("c", "ann", "more of ann")}), IsOk());
  EXPECT_THAT(DataIn(), ElementsAre("of ann", "of bob", "more of ann"));
  rig_.clock.Advance(absl::Seconds(5));
  ASSERT_OK_AND_ASSIGN(const v1::Erasure erasure, Erase("ann"));
  EXPECT_EQ(erasure.destroyed_keys(), 1u);
  EXPECT_EQ(erasure.principal(), "tester");
  EXPECT_EQ(erasure.subject_hash().size(), 32u);
  for (int i = 0; i < 2; ++i) {
    const std::vector<v1::Event> read = Read();
    ASSERT_EQ(read.size(), 3u);
    EXPECT_THAT(DataIn(), ElementsAre("", "of bob", ""));
    EXPECT_EQ(read[0].attributes().at("dataerased").timestamp().seconds(),
              erasure.erase_time().seconds());
    EXPECT_FALSE(read[0].attributes().contains("datasealed"));
    EXPECT_EQ(read[0].attributes().at("other").string(), "value");
    EXPECT_FALSE(read[1].attributes().contains("dataerased"));
    rig_.Reopen();
  }
}

TEST_F(ErasureTest, LaterEventsHaveANewKey) {
  ASSERT_THAT(Publish({SubjectEvent("a", "ann", "before")}), IsOk());
  ASSERT_THAT(Erase("ann"), IsOk());
  ASSERT_THAT(Publish({SubjectEvent("b", "ann", "after")}), IsOk());
  EXPECT_THAT(DataIn(), ElementsAre("", "after"));
  rig_.Reopen();
  EXPECT_THAT(DataIn(), ElementsAre("", "after"));
  ASSERT_OK_AND_ASSIGN(const v1::Erasure again, Erase("ann"));
  EXPECT_EQ(again.destroyed_keys(), 2u);
  EXPECT_THAT(DataIn(), ElementsAre("", ""));
}

TEST_F(ErasureTest, DestroysEveryKeyOfASubject) {
  for (const char* id : {"a", "b", "c"}) {
    ASSERT_THAT(Publish({SubjectEvent(id, "ann", id)}), IsOk());
    rig_.Reopen();  // The next start uses another key.
  }
  EXPECT_THAT(DataIn(), ElementsAre("a", "b", "c"));
  ASSERT_OK_AND_ASSIGN(const v1::Erasure erasure, Erase("ann"));
  EXPECT_EQ(erasure.destroyed_keys(), 3u);
  EXPECT_THAT(DataIn(), ElementsAre("", "", ""));
}

TEST_F(ErasureTest, LeavesNoKeyInAFile) {
  ASSERT_THAT(Publish({SubjectEvent("a", "ann", "of ann"), SubjectEvent("b", "bob", "of bob")}),
              IsOk());
  std::vector<std::string> wrapped;
  for (const v1::Event& stored : Read("t", true)) {
    wrapped.push_back(StoredKeyOf(rig_, stored).substr(12));
    EXPECT_THAT(Files(), HasSubstr(wrapped.back()));
  }
  ASSERT_EQ(wrapped.size(), 2u);
  ASSERT_THAT(Erase("ann"), IsOk());
  EXPECT_THAT(Files(), AllOf(Not(HasSubstr(wrapped[0])), HasSubstr(wrapped[1])));
  ASSERT_THAT(Publish({SubjectEvent("c", "ann", "after")}), IsOk());
  rig_.Reopen();
  EXPECT_THAT(Files(), AllOf(Not(HasSubstr(wrapped[0])), HasSubstr(wrapped[1])));
}

TEST_F(ErasureTest, CopiesByRoutesAreSealed) {
  ASSERT_THAT(rig_.Create("copy"), IsOk());
  ASSERT_THAT(rig_.Create("changed", 4), IsOk());
  ASSERT_THAT(rig_.CreateRoute("r", "t", {"copy"}), IsOk());
  v1::Route route = RouteOf("q", "t", {"changed"});
  (*route.mutable_set_attributes())["datasubject"].set_string("nobody");
  ASSERT_THAT(rig_.CreateRoute(route), IsOk());
  ASSERT_THAT(Publish({SubjectEvent("a", "ann", "of ann")}), IsOk());
  EXPECT_THAT(DataIn("copy"), ElementsAre("of ann"));
  EXPECT_THAT(DataIn("changed"), ElementsAre("of ann"));
  EXPECT_THAT(DataIn("copy", true), Not(ElementsAre("of ann")));
  EXPECT_THAT(Files(), Not(HasSubstr("of ann")));
  ASSERT_THAT(Erase("ann"), IsOk());
  EXPECT_THAT(DataIn("copy"), ElementsAre(""));
  EXPECT_THAT(DataIn("changed"), ElementsAre(""));
}

TEST_F(ErasureTest, DeadLettersAndRedrivesAreSealed) {
  ASSERT_THAT(rig_.Subscribe(SubscriptionOf("s", "t", v1::Subscription::KIND_QUEUE)), IsOk());
  ASSERT_THAT(Publish({SubjectEvent("a", "ann", "of ann")}), IsOk());
  auto consumer = rig_.Consume("s", "c");
  const std::vector<Received> events = consumer->Receive(1);
  ASSERT_EQ(events.size(), 1u);
  consumer->Nack(events[0], v1::Nack::ACTION_PARK);
  rig_.AwaitParking("s");
  v1::ListDeadLettersRequest list;
  list.set_subscription("s");
  list.set_with_data(true);
  const auto letter = [&] {
    const auto response = rig_.subscriptions().dead_letters().List(kTester, list);
    EXPECT_THAT(response, IsOk());
    EXPECT_EQ(response->dead_letters_size(), 1);
    return response->dead_letters(0);
  };
  EXPECT_EQ(letter().event().data(), "of ann");
  const std::string topic = letter().topic();
  EXPECT_THAT(DataIn(topic), ElementsAre("of ann"));
  EXPECT_THAT(DataIn(topic, true), Not(ElementsAre("of ann")));
  v1::RedriveDeadLettersRequest redrive;
  redrive.set_subscription("s");
  redrive.mutable_selector();
  ASSERT_THAT(rig_.Redrive(redrive), IsOk());
  const std::vector<Received> again = consumer->Receive(1);
  ASSERT_EQ(again.size(), 1u);
  consumer->Nack(again[0], v1::Nack::ACTION_PARK);
  rig_.AwaitParking("s");
  EXPECT_THAT(Files(), Not(HasSubstr("of ann")));
  ASSERT_THAT(Erase("ann"), IsOk());
  EXPECT_EQ(letter().event().data(), "");
  EXPECT_TRUE(letter().event().attributes().contains("dataerased"));
}

TEST_F(ErasureTest, DelayedEventsAreSealed) {
  v1::Event event = SubjectEvent("a", "ann", "of ann");
  event.mutable_deliver_after()->set_seconds(60);
  ASSERT_THAT(Publish({event, SubjectEvent("b", "bob", "of bob")}), IsOk());
  v1::ListDelayedEventsRequest list;
  list.set_topic("t");
  ASSERT_OK_AND_ASSIGN(const auto delayed, rig_.broker().delayed().List(kTester, list));
  ASSERT_EQ(delayed.events_size(), 1);
  EXPECT_EQ(delayed.events(0).event().data(), "of ann");
  EXPECT_THAT(Files(), Not(HasSubstr("of ann")));
  rig_.Reopen();
  rig_.Pass(absl::Seconds(61));
  rig_.broker().delayed().RunDue();
  EXPECT_THAT(DataIn(), ElementsAre("of bob", "of ann"));
  EXPECT_THAT(DataIn("t", true), Not(Contains("of ann")));
}

TEST_F(ErasureTest, LatestEventIsOpened) {
  v1::Topic topic;
  topic.set_name("latest");
  topic.set_erasable(true);
  topic.mutable_retention()->mutable_latest_per_key();
  ASSERT_THAT(rig_.Create(topic), IsOk());
  ASSERT_THAT(Publish({SubjectEvent("a", "ann", "of ann", "k")}, "latest"), IsOk());
  v1::GetLatestRequest request;
  request.set_topic("latest");
  request.set_key("k");
  ASSERT_OK_AND_ASSIGN(const auto latest, rig_.broker().readers().Latest(kTester, request));
  EXPECT_EQ(latest.event().data(), "of ann");
  ASSERT_THAT(Erase("ann"), IsOk());
  ASSERT_OK_AND_ASSIGN(const auto erased, rig_.broker().readers().Latest(kTester, request));
  EXPECT_EQ(erased.event().data(), "");
  EXPECT_TRUE(erased.event().attributes().contains("dataerased"));
}

TEST_F(ErasureTest, FiltersAndDuplicatesWorkAsEver) {
  v1::Topic topic;
  topic.set_name("window");
  topic.set_partitions(4);
  topic.set_erasable(true);
  topic.mutable_deduplication_window()->set_seconds(60);
  ASSERT_THAT(rig_.Create(topic), IsOk());
  ASSERT_THAT(Publish({SubjectEvent("a", "ann", "of ann", "k1"),
                       SubjectEvent("b", "bob", "of bob", "k2"), MakeEvent("c", "k3", "clear")},
                      "window"),
              IsOk());
  ASSERT_OK_AND_ASSIGN(const v1::PublishResult repeated,
                       Publish({SubjectEvent("a", "ann", "of ann", "k1")}, "window"));
  EXPECT_EQ(repeated.duplicates_size(), 1);
  EXPECT_THAT(DataIn("window"), UnorderedElementsAre("of ann", "of bob", "clear"));
  v1::ReadRequest request;
  *request.mutable_filter() = ExactFilter("datasubject", "ann");
  const std::vector<v1::Event> found = Read("window", false, request);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].data(), "of ann");
}

TEST_F(ErasureTest, RefusesWhatItCannotSeal) {
  v1::Event number = SubjectEvent("a", "ann", "of ann");
  (*number.mutable_attributes())["datasubject"].set_integer(17);
  EXPECT_THAT(Publish({MakeEvent("b"), number}),
              Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
  v1::Event forged = SubjectEvent("a", "ann", "of ann");
  (*forged.mutable_attributes())["datasealed"].set_binary(std::string(45, '\1'));
  ASSERT_THAT(rig_.Create("u"), IsOk());
  for (const char* topic : {"t", "u"}) {
    EXPECT_THAT(Publish({forged}, topic),
                Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
  }
  forged.clear_data();
  EXPECT_THAT(Publish({forged}), IsOk());
  EXPECT_THAT(Erase(""),
              Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
  EXPECT_THAT(Erase(std::string(1025, 's')),
              Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
}

TEST_F(ErasureTest, NeedsAMasterKey) {
  ASSERT_THAT(Publish({SubjectEvent("a", "ann", "of ann")}), IsOk());
  rig_.Close();
  rig_.master_keys = MasterKeys();
  EXPECT_THAT(rig_.Open(), StatusIs(StatusCode::kFailedPrecondition));
  rig_.master_keys = MasterKeysOf(kSecondKey);
  EXPECT_THAT(rig_.Open(), StatusIs(StatusCode::kFailedPrecondition));
  rig_.master_keys = MasterKeysOf(kFirstKey);
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_THAT(DataIn(), ElementsAre("of ann"));
}

TEST(ErasureWithoutMasterKey, RefusesErasableTopicsAndSubjects) {
  BrokerRig rig;
  rig.master_keys = MasterKeysOf(kFirstKey);
  ASSERT_THAT(rig.Open(), IsOk());
  v1::Topic topic;
  topic.set_name("t");
  topic.set_erasable(true);
  ASSERT_THAT(rig.Create(topic), IsOk());
  rig.Close();
  rig.master_keys = MasterKeys();
  ASSERT_THAT(rig.Open(), IsOk());  // Nothing is sealed.
  const auto refused =
      Refused(StatusCode::kFailedPrecondition, v1::ErrorDetail::REASON_NO_MASTER_KEY);
  v1::PublishStreamRequest request;
  request.set_topic("t");
  *request.add_events() = SubjectEvent("a", "ann", "of ann");
  EXPECT_THAT(rig.Publish(request), refused);
  *request.mutable_events(0) = MakeEvent("a", "", "clear");
  EXPECT_THAT(rig.Publish(request), IsOk());
  topic.set_name("u");
  EXPECT_THAT(rig.Create(topic), refused);
  topic.set_erasable(false);
  ASSERT_THAT(rig.Create(topic), IsOk());
  topic.set_erasable(true);
  EXPECT_THAT(rig.Update(topic, {"erasable"}), refused);
  // Others may change.
  topic.set_name("t");
  topic.set_description("text");
  EXPECT_THAT(rig.Update(topic, {"description"}), IsOk());
}

TEST_F(ErasureTest, RewrapsKeysOnly) {
  ASSERT_THAT(Publish({SubjectEvent("a", "ann", "of ann"), SubjectEvent("b", "bob", "of bob")}),
              IsOk());
  const std::vector<std::string> stored = DataIn("t", true);
  EXPECT_EQ(RewrapKeys(rig_).value(), 0u);
  rig_.Close();
  rig_.master_keys = MasterKeysOf(kSecondKey + "\n" + kFirstKey);
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_THAT(DataIn(), ElementsAre("of ann", "of bob"));
  EXPECT_EQ(RewrapKeys(rig_).value(), 2u);
  EXPECT_EQ(RewrapKeys(rig_).value(), 0u);
  rig_.Close();
  rig_.master_keys = MasterKeysOf(kFirstKey);
  EXPECT_THAT(rig_.Open(), StatusIs(StatusCode::kFailedPrecondition));
  rig_.master_keys = MasterKeysOf(kSecondKey);
  ASSERT_THAT(rig_.Open(), IsOk());
  EXPECT_THAT(DataIn(), ElementsAre("of ann", "of bob"));
  EXPECT_EQ(DataIn("t", true), stored);
}

TEST_F(ErasureTest, ListsErasures) {
  std::vector<std::string> hashes;
  for (const char* subject : {"ann", "bob", "eve"}) {
    ASSERT_OK_AND_ASSIGN(const v1::Erasure erasure, Erase(subject));
    hashes.push_back(erasure.subject_hash());
    EXPECT_EQ(erasure.destroyed_keys(), 0u);
  }
  std::sort(hashes.begin(), hashes.end());
  v1::ListErasuresRequest request;
  request.set_page_size(2);
  std::vector<std::string> listed;
  do {
    ASSERT_OK_AND_ASSIGN(const auto page, rig_.broker().erasures().List(kTester, request));
    EXPECT_LE(page.erasures_size(), 2);
    for (const v1::Erasure& erasure : page.erasures()) listed.push_back(erasure.subject_hash());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(listed, hashes);
  request.set_page_token("x");
  EXPECT_THAT(rig_.broker().erasures().List(kTester, request),
              Refused(StatusCode::kInvalidArgument, v1::ErrorDetail::REASON_INVALID_FIELD));
}

TEST_F(ErasureTest, IsPublished) {
  ASSERT_THAT(Publish({SubjectEvent("a", "ann", "of ann")}), IsOk());
  rig_.erasure_topic = "erasures";
  rig_.Reopen();
  EXPECT_THAT(Erase("ann"),
              Refused(StatusCode::kNotFound, v1::ErrorDetail::REASON_TOPIC_NOT_FOUND));
  EXPECT_THAT(DataIn(), ElementsAre("of ann"));
  ASSERT_THAT(rig_.Create("erasures", 4), IsOk());
  ASSERT_OK_AND_ASSIGN(const v1::Erasure erasure, Erase("ann"));
  EXPECT_THAT(DataIn(), ElementsAre(""));
  rig_.Reopen();
  const std::vector<v1::Event> published = Read("erasures");
  ASSERT_EQ(published.size(), 1u);
  const v1::Event& event = published[0];
  EXPECT_EQ(event.type(), "eventhub.subject.erased");
  EXPECT_EQ(event.source(), "/eventhub/" + rig_.broker().links().hub_id());
  EXPECT_EQ(event.subject(), erasure.subject_hash());
  EXPECT_EQ(event.partition_key(), erasure.subject_hash());
  EXPECT_EQ(event.time().seconds(), erasure.erase_time().seconds());
  EXPECT_EQ(event.attributes().at("datasubject").string(), "ann");
  EXPECT_EQ(event.data(), "");
  ASSERT_THAT(Erase("ann"), IsOk());
  EXPECT_EQ(Read("erasures").size(), 2u);
}

// A store that has lost its keys, such as one that was restored without them.
TEST_F(ErasureTest, DataWithoutItsKeyIsNotDelivered) {
  ASSERT_THAT(Publish({SubjectEvent("a", "ann", "of ann")}), IsOk());
  rig_.Close();
  LogStoreOptions options;
  options.directory = rig_.disk.directory() + "/hub";
  options.env = rig_.disk.env();
  {
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<LogStore> store, LogStore::Open(options));
    CommitBuilder commit(*store, rig_.clock.Now(), 0);
    commit.DeletePrefix(Column::kMeta, kDataKeyPrefix);
    commit.DeletePrefix(Column::kMeta, kMasterKeyPrefix);
    ASSERT_THAT(commit.Write(*store), IsOk());
  }
  rig_.master_keys = MasterKeys();
  ASSERT_THAT(rig_.Open(), IsOk());
  const std::vector<v1::Event> read = Read();
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].data(), "");
  EXPECT_TRUE(read[0].attributes().contains("datasealed"));
  EXPECT_FALSE(read[0].attributes().contains("dataerased"));
}

TEST_F(ErasureTest, LogNamesNoSubject) {
  std::vector<std::string> log;
  rig_.Close();
  rig_.on_admin_change = [&log](const Caller&, absl::string_view what) { log.emplace_back(what); };
  ASSERT_THAT(rig_.Open(), IsOk());
  ASSERT_OK_AND_ASSIGN(const v1::Erasure erasure, Erase("ann@example.org"));
  EXPECT_THAT(log, ElementsAre(AllOf(HasSubstr(erasure.subject_hash()), Not(HasSubstr("ann")))));
}

// ---- A model

// What the hub has to deliver, through restarts and power losses, whatever is erased between.
class ErasureModelTest : public SeededTest {
 protected:
  static constexpr int kSubjects = 4;
};

TEST_F(ErasureModelTest, AgreesWithTheHub) {
  RouteRig rig;
  rig.master_keys = MasterKeysOf(kFirstKey);
  ASSERT_THAT(rig.Open(), IsOk());
  ASSERT_THAT(rig.Create(ErasableTopic("t")), IsOk());
  std::vector<std::pair<std::string, std::string>> expected;  // Subject and clear data, by offset.
  const int steps = Steps(300);
  for (int step = 0; step < steps; ++step) {
    const std::string subject = "subject " + std::to_string(Int(0, kSubjects));
    if (OneIn(8)) {
      ASSERT_THAT(EraseSubject(rig, subject), IsOk());
      for (auto& [of, data] : expected) {
        if (of == subject) data.clear();
      }
    } else if (OneIn(8)) {
      // Answered changes are synced, so a power loss takes back nothing.
      if (OneIn(2)) {
        rig.disk.Cut();
        rig.Close();
        rig.disk.Forget();
      } else {
        rig.Close();
      }
      ASSERT_THAT(rig.Open(), IsOk());
    } else {
      v1::PublishStreamRequest request;
      request.set_topic("t");
      const int64_t count = Int(1, 5);
      for (int64_t i = 0; i < count; ++i) {
        const std::string id = std::to_string(expected.size());
        const std::string data = "data of " + id;
        if (OneIn(3)) {
          *request.add_events() = MakeEvent(id, "", data);
          expected.emplace_back("", data);
        } else {
          const std::string of = "subject " + std::to_string(Int(0, kSubjects));
          *request.add_events() = SubjectEvent(id, of, data);
          expected.emplace_back(of, data);
        }
      }
      ASSERT_THAT(rig.Publish(request), IsOk());
    }
    if (!OneIn(4) && step + 1 < steps) continue;
    ASSERT_OK_AND_ASSIGN(const std::vector<v1::Event> read, ReadEvents(rig, ReadOf("t")));
    ASSERT_EQ(read.size(), expected.size());
    for (size_t i = 0; i < read.size(); ++i) {
      EXPECT_EQ(read[i].data(), expected[i].second) << i;
      EXPECT_EQ(read[i].attributes().contains("dataerased"), expected[i].second.empty()) << i;
    }
  }
}

}  // namespace
}  // namespace eventhub
