// Whatever FieldReader walks to the end, protobuf parses, with the same number of fields.
#include <string>

#include "google/protobuf/empty.pb.h"
#include "google/protobuf/unknown_field_set.h"
#include "proto/wire/field_reader.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input = eventhub::Input(data, size);
  eventhub::wire::FieldReader field(input);
  int fields = 0;
  size_t bytes_fields = 0;
  const char* at = input.data();
  while (field.Next()) {
    FUZZ_CHECK(field.number() > 0 && field.number() < (1u << 29));
    FUZZ_CHECK(field.field().data() == at);
    at = field.after().data();
    FUZZ_CHECK(at <= input.data() + input.size());
    ++fields;
    if (field.type() != eventhub::wire::WireType::kBytes) continue;
    FUZZ_CHECK(field.bytes().data() > field.field().data());
    FUZZ_CHECK(field.bytes().data() + field.bytes().size() == at);
    bytes_fields += field.bytes().size();
  }
  if (!field.ok()) return 0;
  FUZZ_CHECK(at == input.data() + input.size());
  google::protobuf::Empty parsed;
  FUZZ_CHECK(parsed.ParseFromArray(data, static_cast<int>(size)));
  const auto& unknown = parsed.GetReflection()->GetUnknownFields(parsed);
  FUZZ_CHECK(unknown.field_count() == fields);
  for (int i = 0; i < unknown.field_count(); ++i) {
    const google::protobuf::UnknownField& parsed_field = unknown.field(i);
    if (parsed_field.type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED) {
      bytes_fields -= parsed_field.length_delimited().size();
    }
  }
  FUZZ_CHECK(bytes_fields == 0);
  return 0;
}
