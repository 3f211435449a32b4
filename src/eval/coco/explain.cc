#include "eval/coco/explain.h"

#include <algorithm>
#include <cstdlib>

#include "eval/coco/evaluate.h"
#include "eval/coco/match.h"

namespace assay::eval::coco {
namespace {

// Of one result: by what each truth was found, and how many false positives each image has.
struct Findings {
  std::vector<std::int64_t> found_by;         // per truth, -1: nothing
  std::vector<std::int64_t> false_positives;  // per image
};

Findings find(const Annotations& annotations, const Detections& detections,
              const EvaluationOptions& options) {
  Findings findings{std::vector<std::int64_t>(annotations.boxes.size(), -1),
                    std::vector<std::int64_t>(annotations.images.size())};
  const Matcher matcher(annotations, detections, options);
  for (std::size_t k = 0; k < annotations.categories.size(); ++k) {
    const CategoryMatches matches = matcher.match(k);
    for (std::size_t i = 0; i < matches.entries.size(); ++i) {
      const auto& entry = matches.entries[i];
      const Outcome& outcome = matches.outcomes[0][i];
      if (outcome.hit != 0) findings.found_by[static_cast<std::size_t>(matches.found[i])] = entry.detection;
      if ((outcome.hit | outcome.ignored) == 0)
        ++findings.false_positives[static_cast<std::size_t>(entry.image)];
    }
  }
  return findings;
}

double best_overlap(const TruthBox& truth, const Detections& detections, const Buckets& buckets) {
  double best = 0;
  const auto of_category = buckets.of_category(static_cast<std::size_t>(truth.category));
  auto at = std::lower_bound(
      of_category.begin(), of_category.end(), truth.image,
      [&](std::uint32_t i, std::int32_t image) { return detections.boxes[i].image < image; });
  for (; at != of_category.end() && detections.boxes[*at].image == truth.image; ++at)
    best = std::max(best, overlap(detections.boxes[*at], truth, truth.crowd));
  return best;
}

}  // namespace

Result<Explanation> explain(const Annotations& annotations, const Detections& first, const Detections& second,
                            double threshold, int max_detections) {
  ASSAY_TRY(const EvaluationOptions options,
            checked_options({{threshold}, {coco_area_ranges().front()}, {max_detections}}));
  ASSAY_RETURN_IF_ERROR(check_indices(annotations, first));
  ASSAY_RETURN_IF_ERROR(check_indices(annotations, second));
  const Findings a = find(annotations, first, options), b = find(annotations, second, options);
  const Buckets buckets_a(std::span<const Detection>(first.boxes), annotations.images.size(),
                          annotations.categories.size());
  const Buckets buckets_b(std::span<const Detection>(second.boxes), annotations.images.size(),
                          annotations.categories.size());
  std::vector<ImageDifference> all(annotations.images.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].image = static_cast<std::int32_t>(i);
    all[i].false_first = a.false_positives[i];
    all[i].false_second = b.false_positives[i];
  }
  for (std::uint32_t i = 0; i < annotations.boxes.size(); ++i) {
    const TruthBox& truth = annotations.boxes[i];
    ImageDifference& image = all[static_cast<std::size_t>(truth.image)];
    image.truths += !truth.ignore;
    const bool by_a = a.found_by[i] >= 0, by_b = b.found_by[i] >= 0;
    if (by_a && !by_b)
      image.only_first.push_back(
          {i, static_cast<std::uint32_t>(a.found_by[i]), best_overlap(truth, second, buckets_b)});
    if (by_b && !by_a)
      image.only_second.push_back(
          {i, static_cast<std::uint32_t>(b.found_by[i]), best_overlap(truth, first, buckets_a)});
  }
  Explanation explanation;
  for (ImageDifference& image : all) {
    if (image.only_first.empty() && image.only_second.empty() && image.false_first == image.false_second) {
      ++explanation.same_images;
    } else {
      explanation.images.push_back(std::move(image));
    }
  }
  const auto weight = [](const ImageDifference& image) {
    return std::pair(image.only_first.size() + image.only_second.size(),
                     std::abs(image.false_first - image.false_second));
  };
  std::stable_sort(explanation.images.begin(), explanation.images.end(),
                   [&](const ImageDifference& x, const ImageDifference& y) { return weight(x) > weight(y); });
  return explanation;
}

}  // namespace assay::eval::coco
