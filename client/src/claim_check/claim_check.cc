#include "eventhub/claim_check.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace eventhub::client {
namespace {

// From CloudEvents' extension "Dataref (Claim Check Pattern)".
constexpr char kDataRef[] = "dataref";

// JSON has no URIs, so an event that came from JSON has a string.
absl::StatusOr<std::string> UriOf(const v1::AttributeValue& value) {
  switch (value.value_case()) {
    case v1::AttributeValue::kUriRef:
      return value.uri_ref();
    case v1::AttributeValue::kUri:
      return value.uri();
    case v1::AttributeValue::kString:
      return value.string();
    default:
      return absl::InvalidArgumentError("the attribute dataref is not a URI");
  }
}

}  // namespace

absl::Status ClaimCheck::Deposit(v1::Event& event) const {
  if (event.data().size() <= threshold_ || event.attributes().contains(kDataRef)) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::string uri, store_->Put(event.data()));
  (*event.mutable_attributes())[kDataRef].set_uri_ref(std::move(uri));
  event.clear_data();
  return absl::OkStatus();
}

absl::Status ClaimCheck::Redeem(v1::Event& event) const {
  if (!IsDeposited(event)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string uri, UriOf(event.attributes().at(kDataRef)));
  absl::StatusOr<std::string> data = store_->Get(uri);
  if (!data.ok()) {
    return absl::Status(data.status().code(),
                        absl::StrCat("dataref ", uri, ": ", data.status().message()));
  }
  event.set_data(*std::move(data));
  event.mutable_attributes()->erase(kDataRef);
  return absl::OkStatus();
}

bool ClaimCheck::IsDeposited(const v1::Event& event) {
  return event.data().empty() && event.attributes().contains(kDataRef);
}

}  // namespace eventhub::client
