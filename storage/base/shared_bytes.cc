#include "storage/base/shared_bytes.h"

#include <cstring>
#include <new>
#include <string>
#include <utility>

namespace eventhub {

SharedBytes SharedBytes::Allocate(size_t size, char** data) {
  SharedBytes bytes;
  void* block = ::operator new(sizeof(Owner) + size);
  bytes.owner_ = new (block) Owner;
  bytes.owner_->size = size;
  *data = static_cast<char*>(block) + sizeof(Owner);
  bytes.view_ = {*data, size};
  return bytes;
}

SharedBytes SharedBytes::Copy(absl::string_view from) {
  char* data;
  SharedBytes bytes = Allocate(from.size(), &data);
  if (!from.empty()) std::memcpy(data, from.data(), from.size());
  return bytes;
}

SharedBytes SharedBytes::Wrap(absl::string_view view, void (*release)(void*), void* arg) {
  char* unused;
  SharedBytes bytes = Allocate(0, &unused);
  bytes.owner_->release = release;
  bytes.owner_->arg = arg;
  bytes.owner_->size = view.size();
  bytes.view_ = view;
  return bytes;
}

SharedBytes SharedBytes::Own(std::string text) {
  auto* const owner = new std::string(std::move(text));
  return Wrap(
      *owner, [](void* arg) { delete static_cast<std::string*>(arg); }, owner);
}

SharedBytes SharedBytes::Sub(absl::string_view part) const {
  SharedBytes bytes(*this);
  bytes.view_ = part;
  return bytes;
}

void SharedBytes::Drop(void* block) {
  Owner* owner = static_cast<Owner*>(block);
  if (owner->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (owner->release != nullptr) owner->release(owner->arg);
  owner->~Owner();
  ::operator delete(block);
}

}  // namespace eventhub
