// The example of docs/coco.md.
#include <cstdio>

#include "eval/coco/evaluate.h"

int main() {
  using namespace assay::eval::coco;
  Annotations truth;
  truth.images = {1, 2};  // ids, ascending; boxes name them by index
  truth.categories = {{18, "dog"}, {44, "bottle"}};
  truth.boxes = {{.image = 0, .category = 0, .x = 10, .y = 10, .width = 80, .height = 60, .area = 4800},
                 {.image = 1, .category = 1, .x = 5, .y = 5, .width = 20, .height = 40, .area = 800}};
  Detections found;
  found.boxes = {{.image = 0, .category = 0, .x = 12, .y = 11, .width = 80, .height = 60, .score = 0.9}};

  assay::ThreadPool pool(2);
  const auto record = evaluate(truth, found, {}, pool);
  if (!record) {
    std::fprintf(stderr, "%s\n", record.error().message.c_str());
    return 1;
  }
  std::printf("AP %.4f, AP50 %.4f\n", record->ap, record->ap50);
}
