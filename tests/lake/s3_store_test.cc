// S3Store against a real service, Ceph's radosgw, and through a proxy that misbehaves. The contract
// that it shares with other stores is in object_store_test.cc.
#include "server/lake/store/s3_store.h"

#include <stdlib.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/lake/store/s3_credentials.h"
#include "tests/lake/faulty_http.h"
#include "tests/support/s3_server.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_directory.h"

namespace eventhub::lake {
namespace {

using Kind = FaultyHttp::Action::Kind;

// The variables that AWS's tools read. They are as before when the object is gone.
class AwsEnvironment {
 public:
  AwsEnvironment() {
    for (const char* name : kNames) {
      const char* const value = ::getenv(name);
      if (value != nullptr) before_.emplace_back(name, value);
      ::unsetenv(name);
    }
    Set("HOME", home_.path());
  }
  ~AwsEnvironment() {
    for (const char* name : kNames) ::unsetenv(name);
    for (const auto& [name, value] : before_) ::setenv(name.c_str(), value.c_str(), 1);
  }

  void Set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }
  void Unset(const char* name) { ::unsetenv(name); }
  void SetKeys() {
    Set("AWS_ACCESS_KEY_ID", S3Server::kAccessKey);
    Set("AWS_SECRET_ACCESS_KEY", S3Server::kSecretKey);
  }
  const TempDirectory& home() const { return home_; }

 private:
  static constexpr const char* kNames[] = {"HOME",
                                           "AWS_ACCESS_KEY_ID",
                                           "AWS_SECRET_ACCESS_KEY",
                                           "AWS_SESSION_TOKEN",
                                           "AWS_SHARED_CREDENTIALS_FILE",
                                           "AWS_PROFILE",
                                           "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                                           "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                                           "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                           "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                           "AWS_EC2_METADATA_DISABLED",
                                           "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                                           "AWS_ENDPOINT_URL_S3",
                                           "AWS_ENDPOINT_URL",
                                           "AWS_REGION",
                                           "AWS_DEFAULT_REGION",
                                           "AWS_CA_BUNDLE"};
  TempDirectory home_;
  std::vector<std::pair<std::string, std::string>> before_;
};

TEST(S3UrlTest, TakesWhatTheUrlSays) {
  const AwsEnvironment environment;
  const auto options = ParseS3Url(
      "s3://facts/hub/eu?endpoint=https://ceph.example:7480/&region=eu-1&encryption=aws:kms&"
      "kms_key=alias/lake&ca_file=/etc/ca.pem");
  ASSERT_THAT(options, IsOk());
  EXPECT_EQ(options->bucket, "facts");
  EXPECT_EQ(options->prefix, "hub/eu");
  EXPECT_EQ(options->endpoint, "https://ceph.example:7480");
  EXPECT_EQ(options->region, "eu-1");
  EXPECT_TRUE(options->path_style);
  EXPECT_EQ(options->encryption, "aws:kms");
  EXPECT_EQ(options->kms_key, "alias/lake");
  EXPECT_EQ(options->http.ca_file, "/etc/ca.pem");
}

TEST(S3UrlTest, TheRestComesFromTheEnvironment) {
  AwsEnvironment environment;
  auto options = ParseS3Url("s3://facts");
  ASSERT_THAT(options, IsOk());
  EXPECT_EQ(options->prefix, "");
  EXPECT_EQ(options->region, "us-east-1");
  EXPECT_EQ(options->endpoint, "");
  EXPECT_FALSE(options->path_style) << "AWS has the bucket in the name of the host";

  environment.Set("AWS_ENDPOINT_URL", "http://minio:9000");
  environment.Set("AWS_DEFAULT_REGION", "eu-2");
  environment.Set("AWS_CA_BUNDLE", "/ca.pem");
  options = ParseS3Url("s3://facts/?path_style=false");
  ASSERT_THAT(options, IsOk());
  EXPECT_EQ(options->endpoint, "http://minio:9000");
  EXPECT_EQ(options->region, "eu-2");
  EXPECT_EQ(options->http.ca_file, "/ca.pem");
  EXPECT_FALSE(options->path_style);
}

TEST(S3UrlTest, SaysWhatIsWrong) {
  const AwsEnvironment environment;
  const std::pair<const char*, const char*> cases[] = {
      {"http://facts", "begins with s3://"},
      {"s3://", "3 to 63 characters"},
      {"s3://Facts", "3 to 63 characters"},
      {"s3://facts/a//b", "empty segment"},
      {"s3://facts?regoin=x", "no setting 'regoin'; there are endpoint, region"},
      {"s3://facts?path_style=2x", "path_style is true or false"},
      {"s3://facts?encryption=rot13", "AES256 or aws:kms"},
      {"s3://facts?kms_key=k", "kms_key needs encryption=aws:kms"},
      {"s3://facts?endpoint=ceph:1", "does not begin with http://"},
  };
  for (const auto& [url, why] : cases) {
    EXPECT_THAT(ParseS3Url(url).status(), StatusIs(absl::StatusCode::kInvalidArgument, why)) << url;
  }
}

class S3CredentialsTest : public testing::Test {
 protected:
  // Answers as the scripted service does; else 404.
  void Serve(std::function<std::string(const FaultyHttp::Request&)> answer) {
    service_.SetScript([answer = std::move(answer)](const FaultyHttp::Request& request) {
      FaultyHttp::Action action;
      action.kind = Kind::kAnswer;
      action.body = answer(request);
      action.status = action.body.empty() ? 404 : 200;
      return action;
    });
  }
  static std::string Keys(const std::string& name, absl::Time expires) {
    return absl::StrCat(R"({"AccessKeyId": ")", name,
                        R"(", "SecretAccessKey": "s", "Token": "t", )", R"("Expiration": ")",
                        absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", expires, absl::UTCTimeZone()),
                        "\"}");
  }

  AwsEnvironment environment_;
  FaultyHttp service_{""};
  HttpClient http_{HttpOptions()};
  S3CredentialSource source_{http_};
};

TEST_F(S3CredentialsTest, TheEnvironmentIsFirst) {
  environment_.SetKeys();
  environment_.Set("AWS_SESSION_TOKEN", "session");
  environment_.Set("AWS_SHARED_CREDENTIALS_FILE", "/there/is/none");
  const auto found = source_.Get();
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->access_key, S3Server::kAccessKey);
  EXPECT_EQ(found->secret_key, S3Server::kSecretKey);
  EXPECT_EQ(found->session_token, "session");
}

TEST_F(S3CredentialsTest, AFileHasProfiles) {
  const std::string path = environment_.home() / "keys";
  std::ofstream(path) << "# ours\n[default]\naws_access_key_id = A\naws_secret_access_key=a=b\n\n"
                         "[lake]\naws_access_key_id=B\naws_secret_access_key=b\n";
  environment_.Set("AWS_SHARED_CREDENTIALS_FILE", path);
  auto found = source_.Get();
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->access_key, "A");
  EXPECT_EQ(found->secret_key, "a=b");

  environment_.Set("AWS_PROFILE", "lake");
  source_.Renew();
  found = source_.Get();
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->access_key, "B");

  environment_.Set("AWS_PROFILE", "other");
  source_.Renew();
  EXPECT_THAT(source_.Get().status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "no keys for the profile other"));
}

TEST_F(S3CredentialsTest, AContainerHasAnEndpoint) {
  const std::string token = environment_.home() / "token";
  std::ofstream(token) << "sesame\n";
  environment_.Set("AWS_CONTAINER_CREDENTIALS_FULL_URI", service_.endpoint() + "/keys");
  environment_.Set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token);
  Serve([](const FaultyHttp::Request& request) {
    const bool known = request.target == "/keys" &&
                       absl::StrContains(request.headers, "Authorization: sesame\r\n");
    return known ? Keys("C", absl::Now() + absl::Hours(1)) : "";
  });
  const auto found = source_.Get();
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->access_key, "C");
  EXPECT_EQ(found->session_token, "t");
}

TEST_F(S3CredentialsTest, AnInstanceHasMetadataAndItsKeysAreRenewed) {
  environment_.Set("AWS_EC2_METADATA_SERVICE_ENDPOINT", service_.endpoint());
  std::atomic<int> asked = 0;
  absl::Duration lifetime = absl::Minutes(1);
  Serve([&](const FaultyHttp::Request& request) -> std::string {
    if (request.method == "PUT" && request.target == "/latest/api/token") return "sesame";
    if (!absl::StrContains(request.headers, "X-aws-ec2-metadata-token: sesame\r\n")) return "";
    const std::string roles = "/latest/meta-data/iam/security-credentials/";
    if (request.target == roles) return "hub";
    if (request.target != roles + "hub") return "";
    return Keys(absl::StrCat("I", ++asked), absl::Now() + lifetime);
  });
  auto found = source_.Get();
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->access_key, "I1");
  // They expire within the time in which keys are renewed.
  lifetime = absl::Hours(6);
  found = source_.Get();
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->access_key, "I2");
  found = source_.Get();
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(found->access_key, "I2") << "these are good for hours";

  Serve([](const FaultyHttp::Request&) { return ""; });
  EXPECT_THAT(source_.Get(), IsOk()) << "a service that is down is not asked for what is known";
}

TEST_F(S3CredentialsTest, WithoutAnySaysWhereItLooked) {
  environment_.Set("AWS_EC2_METADATA_DISABLED", "true");
  EXPECT_THAT(source_.Get().status(),
              StatusIs(absl::StatusCode::kUnauthenticated, "AWS_ACCESS_KEY_ID"));
}

// One service for all tests: it takes seconds to start.
class S3StoreTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new S3Server(); }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }

  void SetUp() override {
    if (!server_->running()) GTEST_SKIP() << "Ceph's radosgw does not run here";
    environment_.SetKeys();
    proxy_ = std::make_unique<FaultyHttp>(server_->address());
    // Its path names the bucket, so this request makes it.
    bucket_ = absl::StrCat("lake-", ++buckets_);
    S3Options options;
    options.bucket = bucket_;
    options.endpoint = "http://" + server_->address();
    options.path_style = true;
    ASSERT_THAT(S3Store(options).CreateBucket(), IsOk());
    store_ = NewStore();
  }

  std::unique_ptr<S3Store> NewStore(absl::Duration stall_timeout = absl::Seconds(30)) {
    auto options = ParseS3Url(absl::StrCat("s3://", bucket_, "/x?endpoint=", proxy_->endpoint()));
    EXPECT_THAT(options, IsOk());
    options->part_bytes = kPartBytes;
    options->http.stall_timeout = stall_timeout;
    options->backoff = absl::Milliseconds(5);
    return std::make_unique<S3Store>(*options);
  }
  // What happens to the requests that `applies` is true for, the first `times` times.
  void Misbehave(
      FaultyHttp::Action action, int times,
      std::function<bool(const FaultyHttp::Request&)> applies = [](const FaultyHttp::Request&) {
        return true;
      }) {
    proxy_->SetScript([=](const FaultyHttp::Request& request) mutable {
      if (!applies(request) || times == 0) return FaultyHttp::Action();
      --times;
      return action;
    });
  }
  void Behave() { Misbehave({}, 0); }
  static FaultyHttp::Action Answer(int status, const std::string& code,
                                   const std::string& headers = "") {
    return {Kind::kAnswer, status, headers,
            absl::StrCat("<?xml version=\"1.0\"?><Error><Code>", code, "</Code></Error>")};
  }

  static constexpr size_t kPartBytes = size_t{5} << 20;  // The smallest that S3 takes.
  static inline S3Server* server_ = nullptr;
  static inline int buckets_ = 0;
  AwsEnvironment environment_;
  std::string bucket_;
  std::unique_ptr<FaultyHttp> proxy_;
  std::unique_ptr<S3Store> store_;
};

std::string Pattern(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i * 2654435761U >> 24);
  return text;
}

TEST_F(S3StoreTest, TheServiceMustHonourConditions) {
  EXPECT_THAT(store_->Probe(), IsOk());
  // One that ignores them.
  Misbehave({Kind::kAnswer, 200}, -1, [](const auto& request) { return request.method == "PUT"; });
  EXPECT_THAT(store_->PutIfAbsent("a", "1"),
              StatusIs(absl::StatusCode::kUnimplemented, "If-None-Match"));
  // A failure of the proof says nothing.
  Misbehave({Kind::kLoseResponse}, 1, [](const auto& request) { return request.method == "PUT"; });
  EXPECT_THAT(store_->PutIfAbsent("a", "1"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(store_->PutIfAbsent("a", "1"), IsOk());
  EXPECT_THAT(store_->PutIfAbsent("a", "1"), StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(S3StoreTest, NamesOfAllKindsAreSigned) {
  const std::vector<std::string> names = {
      "a b", "a+b", "date=2026-11-30/hour=01/0-ff.ndjson.zst", "topic=a~b@c", "ü/€", "x&y?z#%41"};
  for (const std::string& name : names) EXPECT_THAT(store_->Put(name, name), IsOk()) << name;
  for (const std::string& name : names) {
    const auto read = store_->Get(name, 0, ObjectStore::kToEnd);
    ASSERT_THAT(read, IsOk()) << name;
    EXPECT_EQ(*read, name);
  }
  const auto page = store_->List("", "", 100);
  ASSERT_THAT(page, IsOk());
  std::set<std::string> listed;
  for (const ObjectInfo& object : page->objects) listed.insert(object.name);
  EXPECT_EQ(listed, std::set<std::string>(names.begin(), names.end()));
}

TEST_F(S3StoreTest, OldVersionsAreRemoved) {
  ASSERT_THAT(store_->Put("a", "before"), IsOk());
  ASSERT_THAT(store_->RemoveOldVersions("a"), IsOk());  // The bucket has none.
  ASSERT_THAT(store_->KeepVersions(), IsOk());
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(store_->Put("a", absl::StrCat("version ", i)), IsOk());
    ASSERT_THAT(store_->Put("a longer name", absl::StrCat("version ", i)), IsOk());
  }
  auto versions = store_->VersionsOf("a");
  ASSERT_THAT(versions, IsOk());
  EXPECT_EQ(versions->size(), 4u);
  ASSERT_THAT(store_->RemoveOldVersions("a"), IsOk());
  versions = store_->VersionsOf("a");
  ASSERT_THAT(versions, IsOk());
  EXPECT_EQ(versions->size(), 1u);
  EXPECT_EQ(store_->Get("a", 0, ObjectStore::kToEnd).value(), "version 2");
  EXPECT_EQ(store_->VersionsOf("a longer name")->size(), 3u);
  EXPECT_EQ(store_->VersionsOf("b")->size(), 0u);
  EXPECT_THAT(store_->RemoveOldVersions("b"), IsOk());
}

TEST_F(S3StoreTest, LargeObjectsArePutInParts) {
  for (const size_t bytes : {kPartBytes - 1, kPartBytes, kPartBytes + 1, 2 * kPartBytes + 7}) {
    const std::string content = Pattern(bytes);
    auto sink = store_->Create("large");
    ASSERT_THAT(sink, IsOk());
    for (size_t i = 0; i < bytes; i += 1'000'000) {
      ASSERT_THAT((*sink)->Append(absl::string_view(content).substr(i, 1'000'000)), IsOk());
    }
    ASSERT_THAT((*sink)->Commit(), IsOk());
    const auto read = store_->Get("large", 0, ObjectStore::kToEnd);
    ASSERT_THAT(read, IsOk());
    EXPECT_TRUE(*read == content) << bytes;
  }
}

TEST_F(S3StoreTest, AnAbortedObjectLeavesNothing) {
  auto sink = store_->Create("aborted");
  ASSERT_THAT(sink, IsOk());
  ASSERT_THAT((*sink)->Append(Pattern(2 * kPartBytes + 1)), IsOk());
  (*sink)->Abort();
  EXPECT_THAT(store_->Size("aborted"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT((*sink)->Commit(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(S3StoreTest, WhatDidNotArriveIsSentAgain) {
  const FaultyHttp::Action faults[] = {
      {Kind::kCutRequest},
      {Kind::kLoseResponse},
      Answer(500, "InternalError"),
      Answer(502, ""),
      Answer(503, "SlowDown"),
      Answer(429, "TooManyRequests"),
      Answer(409, "OperationAborted"),
  };
  for (const FaultyHttp::Action& fault : faults) {
    SCOPED_TRACE(absl::StrCat(static_cast<int>(fault.kind), " ", fault.status));
    Misbehave(fault, 2);
    EXPECT_THAT(store_->Put("small", "content"), IsOk());
    Misbehave(fault, 2);
    const auto read = store_->Get("small", 0, ObjectStore::kToEnd);
    ASSERT_THAT(read, IsOk());
    EXPECT_EQ(*read, "content");
    // A part in the middle.
    Misbehave(fault, 2, [](const auto& request) {
      return absl::StrContains(request.target, "partNumber=2&");
    });
    const std::string content = Pattern(2 * kPartBytes + 1);
    auto sink = store_->Create("large");
    ASSERT_THAT(sink, IsOk());
    ASSERT_THAT((*sink)->Append(content), IsOk());
    ASSERT_THAT((*sink)->Commit(), IsOk());
    Behave();
    const auto large = store_->Get("large", 0, ObjectStore::kToEnd);
    ASSERT_THAT(large, IsOk());
    EXPECT_TRUE(*large == content);
  }
}

TEST_F(S3StoreTest, AConditionalPutWithoutAnAnswerIsAmbiguous) {
  ASSERT_THAT(store_->PutIfAbsent("first", ""), IsOk());  // With the proof.
  const auto puts = [](const auto& request) { return request.method == "PUT"; };
  Misbehave({Kind::kLoseResponse}, 1, puts);
  EXPECT_EQ(FaultOf(store_->PutIfAbsent("lost", "1")), StoreFault::kAmbiguous);
  EXPECT_THAT(store_->Size("lost"), IsOk()) << "it was carried out";

  Misbehave({Kind::kCutRequest}, 1, puts);
  EXPECT_EQ(FaultOf(store_->PutIfAbsent("cut", std::string(100'000, 'c'))), StoreFault::kAmbiguous);
  EXPECT_THAT(store_->Size("cut"), StatusIs(absl::StatusCode::kNotFound));

  Misbehave(Answer(500, "InternalError"), 1, puts);
  EXPECT_EQ(FaultOf(store_->PutIfAbsent("failed", "1")), StoreFault::kAmbiguous);

  // What is known not to have been carried out is repeated.
  Misbehave(Answer(503, "SlowDown"), 1, puts);
  EXPECT_THAT(store_->PutIfAbsent("slow", "1"), IsOk());
  EXPECT_THAT(store_->PutIfAbsent("slow", "2"), StatusIs(absl::StatusCode::kAlreadyExists));
  const auto kept = store_->Get("slow", 0, ObjectStore::kToEnd);
  ASSERT_THAT(kept, IsOk());
  EXPECT_EQ(*kept, "1");
}

TEST_F(S3StoreTest, CompletingAnUploadWithoutAnAnswerIsAmbiguous) {
  const auto completes = [](const auto& request) {
    return request.method == "POST" && absl::StrContains(request.target, "?uploadId=");
  };
  Misbehave({Kind::kLoseResponse}, 1, completes);
  auto sink = store_->Create("large");
  ASSERT_THAT(sink, IsOk());
  ASSERT_THAT((*sink)->Append(Pattern(kPartBytes + 1)), IsOk());
  EXPECT_EQ(FaultOf((*sink)->Commit()), StoreFault::kAmbiguous);
  EXPECT_THAT(store_->Size("large"), IsOk());

  // The answer begins with 200 and ends with an error.
  Misbehave(Answer(200, "InternalError"), 1, completes);
  sink = store_->Create("half");
  ASSERT_THAT(sink, IsOk());
  ASSERT_THAT((*sink)->Append(Pattern(kPartBytes + 1)), IsOk());
  EXPECT_EQ(FaultOf((*sink)->Commit()), StoreFault::kAmbiguous);
}

TEST_F(S3StoreTest, AServiceThatStaysDownIsRetryable) {
  Misbehave(Answer(503, "ServiceUnavailable"), -1);
  EXPECT_THAT(store_->Put("a", "1"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(store_->Get("a", 0, 1), StatusIs(absl::StatusCode::kUnavailable));
  Misbehave(Answer(500, "InternalError"), -1);
  EXPECT_EQ(FaultOf(store_->Put("a", "1")), StoreFault::kAmbiguous);
  EXPECT_EQ(FaultOf(store_->Size("a").status()), StoreFault::kRetryable) << "reads change nothing";
  Misbehave(Answer(507, "InsufficientStorage"), -1);
  EXPECT_THAT(store_->Put("a", "1"), StatusIs(absl::StatusCode::kResourceExhausted));
  proxy_.reset();
  EXPECT_THAT(store_->Put("a", "1"), StatusIs(absl::StatusCode::kUnavailable)) << "refused";
}

TEST_F(S3StoreTest, AServiceThatStallsIsGivenUp) {
  store_ = NewStore(absl::Seconds(1));
  ASSERT_THAT(store_->PutIfAbsent("first", ""), IsOk());  // With the proof.
  Misbehave({Kind::kStall}, 1);
  EXPECT_EQ(FaultOf(store_->PutIfAbsent("a", "1")), StoreFault::kAmbiguous);
  Misbehave({Kind::kStall}, 1);
  EXPECT_THAT(store_->Size("a"), StatusIs(absl::StatusCode::kNotFound)) << "repeated";
}

TEST_F(S3StoreTest, CallsThatStallAreInterrupted) {
  Misbehave({Kind::kStall}, -1);
  const absl::Time start = absl::Now();
  std::thread caller(
      [this] { EXPECT_THAT(store_->Size("a"), StatusIs(absl::StatusCode::kUnavailable)); });
  store_->Interrupt();
  caller.join();
  EXPECT_LT(absl::Now() - start, absl::Seconds(10))
      << "the time after which a call is given up is 30 s";
}

TEST_F(S3StoreTest, FollowsTheClockOfTheService) {
  const absl::Time wrong = absl::Now() + absl::Hours(2);
  Misbehave(
      Answer(403, "RequestTimeTooSkewed",
             absl::StrCat("Date: ",
                          absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", wrong, absl::UTCTimeZone()),
                          "\r\n")),
      1);
  // With the clock of the proxy the service refuses the call, and its own clock is taken.
  EXPECT_THAT(store_->Put("a", "1"), IsOk());
}

TEST_F(S3StoreTest, SaysWhatTheOperatorHasToMend) {
  environment_.Set("AWS_SECRET_ACCESS_KEY", "wrong");
  EXPECT_THAT(NewStore()->Probe(), StatusIs(absl::StatusCode::kUnauthenticated));
  environment_.Set("AWS_ACCESS_KEY_ID", "nobody");
  EXPECT_THAT(NewStore()->Probe(), StatusIs(absl::StatusCode::kUnauthenticated));
  environment_.SetKeys();
  bucket_ = "missing";
  EXPECT_THAT(NewStore()->Probe(), StatusIs(absl::StatusCode::kFailedPrecondition, "NoSuchBucket"));
  EXPECT_THAT(NewStore()->Size("a"), StatusIs(absl::StatusCode::kFailedPrecondition))
      << "not: there is no such object";
  Misbehave(Answer(301, "PermanentRedirect", "x-amz-bucket-region: eu-north-1\r\n"), -1);
  EXPECT_THAT(store_->Probe(), StatusIs(absl::StatusCode::kFailedPrecondition, "eu-north-1"));
  Misbehave(Answer(403, "AccessDenied"), -1);
  EXPECT_THAT(store_->Put("a", "1"), StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(S3StoreTest, RenewedKeysAreTaken) {
  const std::string path = environment_.home() / "keys";
  const auto write = [&path](const std::string& secret) {
    std::ofstream(path) << "[default]\naws_access_key_id=" << S3Server::kAccessKey
                        << "\naws_secret_access_key=" << secret << "\n";
  };
  environment_.Unset("AWS_ACCESS_KEY_ID");
  environment_.Set("AWS_SHARED_CREDENTIALS_FILE", path);
  write("old");
  EXPECT_THAT(store_->Put("a", "1"), StatusIs(absl::StatusCode::kUnauthenticated));
  write(S3Server::kSecretKey);
  EXPECT_THAT(store_->Put("a", "1"), IsOk());
}

TEST_F(S3StoreTest, ObjectsAreEncryptedAsAsked) {
  auto options = ParseS3Url(
      absl::StrCat("s3://", bucket_, "?encryption=AES256&endpoint=", proxy_->endpoint()));
  ASSERT_THAT(options, IsOk());
  options->part_bytes = kPartBytes;
  S3Store store(*options);
  std::atomic<int> asked = 0;
  proxy_->SetScript([&asked](const FaultyHttp::Request& request) {
    if (absl::StrContains(request.headers, "x-amz-server-side-encryption: AES256\r\n")) ++asked;
    return FaultyHttp::Action{Kind::kAnswer, 200};
  });
  EXPECT_THAT(store.Put("a", "1"), IsOk());
  EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace eventhub::lake
