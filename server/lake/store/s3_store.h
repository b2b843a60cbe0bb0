// S3Store: a lake in a bucket of a service that speaks S3.
//
// Small objects are put in one request, larger ones in parts; both appear whole. A put that must
// not replace an object carries `If-None-Match: *`, which the service has to honour: AWS, Ceph from
// 16 on, MinIO and most others do. The first such put proves it, with the object `_lake/probe`.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/lake/store/http.h"
#include "server/lake/store/object_store.h"
#include "server/lake/store/s3_credentials.h"
#include "storage/base/mutex.h"

namespace eventhub::lake {

struct S3Options {
  std::string bucket;
  std::string prefix;  // Of all names; without a slash at its ends. May be empty.
  // Such as "https://minio.example:9000". Empty: AWS's, in `region`.
  std::string endpoint;
  std::string region = "us-east-1";
  // Whether the bucket is in the path of URLs, rather than in the name of the host.
  bool path_style = false;
  std::string
      encryption;       // Of objects at rest: "AES256", "aws:kms", or empty for the bucket's own.
  std::string kms_key;  // For "aws:kms"; empty: the default key.
  HttpOptions http;
  // The size of the parts of large objects. S3 has at least 5 MiB, and at most 10,000 parts.
  size_t part_bytes = size_t{8} << 20;
  // The longest wait before the first repetition of a call; four times as long before each further.
  absl::Duration backoff = absl::Milliseconds(100);
};

// Reads "s3://BUCKET[/PREFIX][?SETTING=VALUE&…]". The settings are `endpoint`, `region`,
// `path_style` (true or false), `encryption`, `kms_key` and `ca_file`. Those that are missing come
// from AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_REGION or AWS_DEFAULT_REGION, and
// AWS_CA_BUNDLE. With an endpoint, the bucket is in the path by default. INVALID_ARGUMENT says what
// is wrong.
absl::StatusOr<S3Options> ParseS3Url(absl::string_view url);

// A call is repeated up to three times, with backoff and jitter, if that cannot do harm: if the
// service does not answer, is throttled, or fails. Thread-safe.
class S3Store final : public ObjectStore {
 public:
  explicit S3Store(S3Options options);

  // Checks that the bucket is there and that the keys are accepted. FAILED_PRECONDITION: there is
  // no such bucket, or it is in another region. UNAUTHENTICATED, PERMISSION_DENIED: there are no
  // keys, or they are refused.
  absl::Status Probe() const;

  // Makes the bucket, with the service's defaults. OK if it is the caller's already.
  absl::Status CreateBucket();
  // Makes the bucket keep what objects were before.
  absl::Status KeepVersions();

  struct Version {
    std::string id;
    bool latest = false;
  };
  absl::StatusOr<std::vector<Version>> VersionsOf(absl::string_view name) const;

  absl::StatusOr<std::unique_ptr<ObjectSink>> Create(absl::string_view name) override;
  // UNIMPLEMENTED: the service replaces objects that it must not.
  absl::Status PutIfAbsent(absl::string_view name, absl::string_view bytes) override;
  absl::Status Put(absl::string_view name, absl::string_view bytes) override;
  absl::StatusOr<std::string> Get(absl::string_view name, uint64_t offset,
                                  uint64_t length) const override;
  absl::StatusOr<uint64_t> Size(absl::string_view name) const override;
  absl::StatusOr<ObjectPage> List(absl::string_view prefix, absl::string_view after,
                                  size_t limit) const override;
  absl::Status Delete(absl::string_view name) override;
  absl::Status RemoveOldVersions(absl::string_view name) override;
  void Interrupt() override { http_.Interrupt(); }
  std::string Describe() const override;

 private:
  class Sink;

  // One request to the store, before it is signed.
  struct Call {
    std::string method;
    std::string name = {};                          // Of the object; empty: the bucket.
    std::map<std::string, std::string> query = {};  // In the order that signing asks for.
    std::vector<HttpHeader> headers = {};
    absl::string_view body = {};
    // Whether it does no harm to repeat the call if it may have been carried out.
    bool repeatable = true;
  };

  absl::Status ProveConditions();
  std::string UrlOf(const Call& call) const;
  absl::Status Put(absl::string_view name, absl::string_view bytes, bool if_absent);
  void AddEncryption(std::vector<HttpHeader>* headers) const;
  // Sends a call, repeatedly if need be. Returns a response whose status is 2xx, or an error with
  // the meaning of ObjectStore.
  absl::StatusOr<HttpResponse> Send(const Call& call) const;
  absl::StatusOr<HttpResponse> SendOnce(const Call& call) const;
  absl::Status ErrorOf(const Call& call, const HttpResponse& response) const;

  const S3Options options_;
  std::string base_url_;  // With the bucket, if that is in the path; without a slash at its end.
  std::string host_;
  std::string key_prefix_;  // Empty, or ends with a slash.
  mutable HttpClient http_;
  mutable S3CredentialSource credentials_;
  mutable Mutex mutex_;
  mutable absl::Duration skew_ ABSL_GUARDED_BY(mutex_);
  bool conditions_proven_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace eventhub::lake
