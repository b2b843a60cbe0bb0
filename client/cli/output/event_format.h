// Prints events in a format like printf's, for `eventhub read` and `eventhub consume`.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eventhub/v1/event.pb.h"
#include "proto/json/event_json.h"

namespace eventhub::cli {

// The default format of `read` and `consume`.
inline constexpr char kEventTextFormat[] = R"(%p:%o\t%a\t%t\t%k\t%d\n)";

// A parsed format. Immutable.
//
//   %p partition     %o offset         %a append time   %i id           %s source
//   %n delivery attempt, 0 for an event that was read without a subscription
//   %t type          %u subject        %e event time    %k key          %c content type
//   %d data, on one line, without control characters                     %D unchanged data
//   %%  a percent sign;   \n  \t  \0  \\  as in C
class EventFormat {
 public:
  // INVALID_ARGUMENT, naming the directive, if it is unknown.
  static absl::StatusOr<EventFormat> Parse(absl::string_view format);

  void Append(const v1::Event& event, const json::Position& position, std::string* out) const;

 private:
  struct Piece {
    char field = 0;  // 0: prints `text`.
    std::string text;
  };

  static void AppendField(char field, const v1::Event& event, const json::Position& position,
                          std::string* out);

  std::vector<Piece> pieces_;
};

}  // namespace eventhub::cli
