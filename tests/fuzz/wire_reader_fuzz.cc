// What WireReader walks over to the end, protobuf parses, with as many fields.
#include <string>

#include "google/protobuf/empty.pb.h"
#include "google/protobuf/unknown_field_set.h"
#include "server/core/wire.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input = eventhub::Input(data, size);
  eventhub::WireReader reader(input);
  int fields = 0;
  size_t bytes_fields = 0;
  while (!reader.AtEnd()) {
    uint32_t field;
    eventhub::WireType type;
    if (!reader.ReadTag(&field, &type)) return 0;
    FUZZ_CHECK(field > 0 && field < (1u << 29));
    if (type == eventhub::WireType::kBytes) {
      absl::string_view value;
      if (!reader.ReadBytes(&value)) return 0;
      FUZZ_CHECK(value.data() >= input.data() && value.data() + value.size() <= reader.position());
      bytes_fields += value.size();
    } else if (!reader.Skip(type)) {
      return 0;
    }
    ++fields;
    FUZZ_CHECK(reader.position() <= input.data() + input.size());
  }
  google::protobuf::Empty parsed;
  FUZZ_CHECK(parsed.ParseFromArray(data, static_cast<int>(size)));
  const auto& unknown = parsed.GetReflection()->GetUnknownFields(parsed);
  FUZZ_CHECK(unknown.field_count() == fields);
  for (int i = 0; i < unknown.field_count(); ++i) {
    const google::protobuf::UnknownField& field = unknown.field(i);
    if (field.type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED) {
      bytes_fields -= field.length_delimited().size();
    }
  }
  FUZZ_CHECK(bytes_fields == 0);
  return 0;
}
