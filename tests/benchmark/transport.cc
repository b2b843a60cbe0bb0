#include "tests/benchmark/transport.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace eventhub::benchmark {
namespace {

template <typename Add>
bool ForEachArg(const std::string& text, Add add) {
  for (absl::string_view pair : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    const std::pair<std::string, std::string> name_value =
        absl::StrSplit(pair, absl::MaxSplits('=', 1));
    int value = 0;
    if (!absl::SimpleAtoi(name_value.second, &value)) return false;
    add(name_value.first, value);
  }
  return true;
}

}  // namespace

grpc::ByteBuffer MakeFrame(size_t bytes) {
  const grpc::Slice slice(std::string(bytes, 'x'));
  return {&slice, 1};
}

bool ParseChannelArgs(const std::string& text, grpc::ChannelArguments& args) {
  return ForEachArg(text, [&](const std::string& name, int value) { args.SetInt(name, value); });
}

bool ParseChannelArgs(const std::string& text, grpc::ServerBuilder& builder) {
  return ForEachArg(
      text, [&](const std::string& name, int value) { builder.AddChannelArgument(name, value); });
}

}  // namespace eventhub::benchmark
