// Any bytes are either detections that can be evaluated, or an error.
#include <cstdint>

#include "base/check.h"
#include "eval/coco/error_analysis.h"
#include "eval/coco/evaluate.h"
#include "eval/coco/readers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace assay::eval::coco;
  Annotations truth;
  truth.images = {1, 2, ObjectId::from_string("a")};
  truth.categories = {{1, "cat"}, {2, "dog"}};
  truth.boxes = {
      {0, 0, 0, 0, 10, 10, 100}, {0, 0, 5, 5, 10, 10, 100, true, true}, {1, 1, 0, 0, 50, 50, 2500}};
  assay::ThreadPool pool(1);
  const auto file = read_detections({reinterpret_cast<const std::byte*>(data), size}, truth, pool);
  if (!file) return 0;
  const auto record = evaluate(truth, file->detections, {}, pool);
  ASSAY_CHECK(record.has_value());
  ASSAY_CHECK(record->ap >= 0 && record->ap <= 1);
  const auto errors = analyse_errors(truth, file->detections, {});
  ASSAY_CHECK(errors.has_value());
  ASSAY_CHECK(errors->ap >= 0 && errors->ap <= 1);
  std::int64_t mistakes = 0;
  for (const auto& kind : errors->kinds) {
    ASSAY_CHECK(kind.cost >= 0 && errors->ap + kind.cost <= 1 + 1e-12);
    mistakes += kind.count;
  }
  ASSAY_CHECK(mistakes >= errors->false_positives.count);
  ASSAY_CHECK(errors->false_positives.cost >= -1e-12);
  return 0;
}
