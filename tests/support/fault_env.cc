#include "tests/support/fault_env.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "gtest/gtest.h"
#include "rocksdb/env.h"
#include "tests/support/fault_fs.h"

namespace eventhub {

FaultEnv::FaultEnv(Medium medium) {
  if (medium == Medium::kMemory) {
    base_.reset(rocksdb::NewMemEnv(rocksdb::Env::Default()));
    directory_ = "/memory";
    base_->CreateDirIfMissing(directory_);
  } else {
    directory_ = testing::TempDir() + "eventhub_XXXXXX";
    if (mkdtemp(directory_.data()) == nullptr) std::abort();  // No test can run without it.
  }
  rocksdb::Env* const base = base_ != nullptr ? base_.get() : rocksdb::Env::Default();
  fs_ = std::make_shared<FaultFs>(base->GetFileSystem());
  env_ = rocksdb::NewCompositeEnv(fs_);
}

FaultEnv::~FaultEnv() {
  if (base_ == nullptr) std::filesystem::remove_all(directory_);
}

void FaultEnv::FailWrites(Fault fault, const std::string& suffix) {
  fs_->FailWrites(fault, suffix);
}
void FaultEnv::FailSyncs(Fault fault) { fs_->FailSyncs(fault); }
void FaultEnv::SetFreeSpace(uint64_t bytes) { fs_->SetFreeSpace(bytes); }
void FaultEnv::HoldSyncs(const std::string& suffix) { fs_->HoldSyncs(suffix); }
void FaultEnv::ReleaseSyncs() { fs_->ReleaseSyncs(); }
int FaultEnv::held_syncs() const { return fs_->held_syncs(); }
void FaultEnv::Cut() { fs_->Cut(); }
void FaultEnv::Forget() { fs_->Forget(); }

std::vector<std::string> FaultEnv::Files(const std::string& directory) const {
  std::vector<std::string> files;
  std::vector<std::string> children;
  fs_->GetChildren(directory, rocksdb::IOOptions(), &children, nullptr);
  for (const std::string& child : children) {
    if (child == "." || child == "..") continue;
    const std::string path = directory + "/" + child;
    // In-memory files cannot be asked whether they are directories.
    std::vector<std::string> below = Files(path);
    const bool is_directory = !below.empty() || std::filesystem::is_directory(path);
    if (!is_directory) files.push_back(path);
    for (std::string& file : below) files.push_back(std::move(file));
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string FaultEnv::ReadFile(const std::string& path) const { return fs_->Read(path); }
void FaultEnv::WriteFile(const std::string& path, const std::string& bytes) {
  fs_->Write(path, bytes);
}
void FaultEnv::MakeDirectory(const std::string& path) {
  fs_->CreateDirIfMissing(path, rocksdb::IOOptions(), nullptr);
}
void FaultEnv::DeleteDirectory(const std::string& path) {
  fs_->DeleteDir(path, rocksdb::IOOptions(), nullptr);
}
void FaultEnv::DeleteFile(const std::string& path) {
  fs_->DeleteFile(path, rocksdb::IOOptions(), nullptr);
}

}  // namespace eventhub
