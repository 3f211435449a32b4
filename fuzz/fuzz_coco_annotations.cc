// Any bytes are either annotations whose boxes can be evaluated, or an error.
#include <cstdint>

#include "base/check.h"
#include "eval/coco/evaluate.h"
#include "eval/coco/readers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace assay::eval::coco;
  const auto file = read_annotations({reinterpret_cast<const std::byte*>(data), size});
  if (!file) return 0;
  const Annotations& truth = file->annotations;
  for (std::size_t i = 0; i < truth.images.size(); ++i)
    ASSAY_CHECK(find_image(truth, truth.images[i]) == static_cast<std::int32_t>(i));
  assay::ThreadPool pool(1);
  ASSAY_CHECK(evaluate(truth, {}, {}, pool).has_value());
  return 0;
}
