// Records of the store: a record that can be read equals the one that would be written; nothing
// else can be read.
#include "server/core/erasure/key_entries.h"
#include "server/core/erasure/key_records.h"
#include "server/core/publish/delayed_record.h"
#include "server/core/topic/identities.h"
#include "server/core/topic/producer_table.h"
#include "storage/record_batch.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input = eventhub::Input(data, size);
  const auto header = eventhub::BatchHeader::Decode(input);
  // A record of version 1, which has 28 bytes, is rewritten as version 2.
  FUZZ_CHECK(!header.ok() || input.size() == 28 || header->Encode() == input);
  const auto position = eventhub::LogPosition::Decode(input);
  FUZZ_CHECK(!position.ok() || position->Encode() == input);
  const auto delayed = eventhub::DelayedRecord::Decode(input);
  FUZZ_CHECK(!delayed.ok() || delayed->Encode() == input);
  const auto count = eventhub::DecodeDelayedCount(input);
  FUZZ_CHECK(!count.ok() || eventhub::EncodeDelayedCount(*count) == input);
  const auto identity = eventhub::IdentityRecord::Decode(input);
  FUZZ_CHECK(!identity.ok() || identity->Encode() == input);
  const auto data_key = eventhub::DataKeyRecord::Decode(input);
  FUZZ_CHECK(!data_key.ok() || data_key->Encode() == input);
  const auto erasure = eventhub::ErasureRecord::Decode(input);
  FUZZ_CHECK(!erasure.ok() || erasure->Encode() == input);
  const auto keys = eventhub::DecodeKeys(input);  // A key that is there twice counts once.
  FUZZ_CHECK(!keys.ok() || eventhub::EncodeEntries(*keys).size() <= input.size());
  const auto erasures = eventhub::DecodeErasures(input);
  FUZZ_CHECK(!erasures.ok() || eventhub::EncodeEntries(*erasures).size() <= input.size());
  for (const absl::Status& status :
       {header.status(), position.status(), delayed.status(), count.status(), identity.status(),
        data_key.status(), erasure.status(), keys.status(), erasures.status(),
        eventhub::ProducerTable::TimeOfRecord(input).status()}) {
    FUZZ_CHECK(status.ok() || absl::IsDataLoss(status));
  }
  return 0;
}
