// Whatever the bytes, parsing ends in a value or an error; every getter copes with every value; tensors lie
// inside of the bytes.
#include <cstdint>

#include "base/check.h"
#include "formats/gguf/gguf.h"

namespace {

void ask_everything(const assay::gguf::File& file, const std::string& key) {
  ASSAY_CHECK(file.find(key) != nullptr);
  const bool answered[] = {
      file.unsigned_integer(key).has_value(), file.integer(key).has_value(), file.real(key).has_value(),
      file.boolean(key).has_value(),          file.string(key).has_value(),  file.strings(key).has_value(),
      file.integers(key).has_value(),         file.reals(key).has_value()};
  ASSAY_CHECK(sizeof answered == 8 && !assay::gguf::type_name(*file.find(key)).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const assay::ByteView bytes = std::as_bytes(std::span(data, size));
  const auto file = assay::gguf::parse(bytes);
  if (!file) return 0;
  for (const auto& [key, value] : file->metadata()) ask_everything(*file, key);
  std::uint64_t total = 0;
  for (const auto& info : file->tensors()) {
    ASSAY_CHECK(file->has_tensor(info.name));
    ASSAY_CHECK(info.bytes.empty() || (info.bytes.data() >= bytes.data() &&
                                       info.bytes.data() + info.bytes.size() <= bytes.data() + size));
    total += info.bytes.size();
    const auto tensor = file->tensor(info.name);
    ASSAY_CHECK(tensor.has_value() == info.dtype.has_value());
    if (tensor)
      ASSAY_CHECK(*assay::tensor_bytes(info.name, tensor->dtype, tensor->shape) == tensor->bytes.size());
  }
  ASSAY_CHECK(total <= size);
  return 0;
}
