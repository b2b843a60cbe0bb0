// Where the keys of an S3 store come from: the places that AWS's own tools look at, in their order.
#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/lake/store/http.h"
#include "storage/base/mutex.h"

namespace eventhub::lake {

struct S3Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token = {};  // Empty for keys of a user.
  absl::Time expires = absl::InfiniteFuture();
};

// Finds credentials, keeps them, and renews those that expire. In this order:
//
//   1. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN in the environment;
//   2. the profile AWS_PROFILE, or "default", of the file AWS_SHARED_CREDENTIALS_FILE, or
//      ~/.aws/credentials; it is read again when the store refuses the keys;
//   3. the container's endpoint: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI, with
//      AWS_CONTAINER_AUTHORIZATION_TOKEN or _TOKEN_FILE;
//   4. the instance's metadata (IMDSv2), unless AWS_EC2_METADATA_DISABLED is true.
//
// Thread-safe.
class S3CredentialSource {
 public:
  // `http` must outlive this object.
  explicit S3CredentialSource(HttpClient& http) : http_(http) {}

  // UNAUTHENTICATED: there are none; the message says where they were looked for. UNAVAILABLE: a
  // service that has them does not answer. INVALID_ARGUMENT: the file or an answer is not valid.
  absl::StatusOr<S3Credentials> Get();

  // Forgets what is kept: the store refused it.
  void Renew();

 private:
  absl::StatusOr<S3Credentials> Find();
  absl::StatusOr<S3Credentials> FromService(const HttpRequest& request);
  absl::StatusOr<S3Credentials> FromContainer();
  absl::StatusOr<S3Credentials> FromInstance();

  HttpClient& http_;
  Mutex mutex_;
  std::unique_ptr<S3Credentials> kept_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eventhub::lake
