// Queries: a box and class logits each, nothing to suppress.
// Source: transformers, post_process_object_detection of DETR and RT-DETR.
#include <algorithm>
#include <cmath>

#include "detect/heads/candidates.h"
#include "detect/heads/choose_head.h"

namespace assay::detect {
namespace {

struct Queries {
  const Output* boxes;
  const Output* logits;
  std::size_t count, columns;
};

Result<Queries> queries_of(const HeadInput& input) {
  const OutputInfo infos[] = {input.outputs[0].info, input.outputs[1].info};
  ASSAY_TRY(const BoxesAndScores pair, find_boxes_and_scores(infos));
  const Output& logits = input.outputs[pair.scores];
  return Queries{&input.outputs[pair.boxes], &logits, static_cast<std::size_t>(logits.info.shape[1]),
                 static_cast<std::size_t>(logits.info.shape[2])};
}

Candidate query_box(const Queries& queries, std::size_t query, const HeadInput& input, float score,
                    int class_index) {
  const float* box = queries.boxes->values.data() + query * 4;
  const auto width = static_cast<float>(input.width), height = static_cast<float>(input.height);
  return from_center(box[0] * width, box[1] * height, box[2] * width, box[3] * height, score, class_index);
}

}  // namespace

Result<std::vector<Candidate>> detr_candidates(const HeadInput& input) {
  ASSAY_TRY(const Queries queries, queries_of(input));
  std::vector<Candidate> candidates;
  for (std::size_t query = 0; query < queries.count; ++query) {
    const float* logits = queries.logits->values.data() + query * queries.columns;
    // The last column is "no object": it takes part in the softmax and cannot win.
    const float* best = std::max_element(logits, logits + queries.columns - 1);
    const float largest = *std::max_element(logits, logits + queries.columns);
    float sum = 0.0f;
    for (std::size_t c = 0; c < queries.columns; ++c) sum += std::exp(logits[c] - largest);
    const float score = std::exp(*best - largest) / sum;
    if (!(score > input.options.score_threshold)) continue;
    candidates.push_back(query_box(queries, query, input, score, static_cast<int>(best - logits)));
  }
  return candidates;
}

Result<std::vector<Candidate>> rt_detr_candidates(const HeadInput& input) {
  ASSAY_TRY(const Queries queries, queries_of(input));
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < queries.count * queries.columns; ++i) {
    const float score = sigmoid(queries.logits->values[i]);
    if (!(score > input.options.score_threshold)) continue;
    candidates.push_back(
        query_box(queries, i / queries.columns, input, score, static_cast<int>(i % queries.columns)));
  }
  // The best ones over all classes, as many as asked for or as there are queries.
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  const std::size_t most = input.options.max_detections > 0
                               ? static_cast<std::size_t>(input.options.max_detections)
                               : queries.count;
  if (candidates.size() > most) candidates.resize(most);
  return candidates;
}

}  // namespace assay::detect
