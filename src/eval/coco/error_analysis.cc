#include "eval/coco/error_analysis.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <vector>

#include "eval/coco/evaluate.h"
#include "eval/coco/match.h"

namespace assay::eval::coco {
namespace {

struct Mistake {
  MistakeKind kind;
  std::uint32_t detection;
  std::int32_t truth;  // what it should have been, or -1
};

EvaluationOptions one_threshold(const ErrorAnalysisOptions& options) {
  return {{options.foreground}, {coco_area_ranges().front()}, {options.max_detections}};
}

class Analysis {
 public:
  Analysis(const Annotations& annotations, const Detections& detections, const ErrorAnalysisOptions& options)
      : annotations_(annotations),
        detections_(detections),
        options_(options),
        used_(annotations.boxes.size()) {
    std::vector<std::uint32_t> order(annotations.boxes.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return annotations.boxes[a].image < annotations.boxes[b].image;
    });
    by_image_ = std::move(order);
  }

  void run() {
    const EvaluationOptions evaluation = one_threshold(options_);
    const Matcher matcher(annotations_, detections_, evaluation);
    std::vector<std::uint32_t> wrong;
    for (std::size_t k = 0; k < annotations_.categories.size(); ++k) {
      const CategoryMatches matches = matcher.match(k);
      for (const std::uint32_t position : matches.ranking) {
        const Outcome& outcome = matches.outcomes[0][position];
        if (matches.found[position] >= 0) used_[static_cast<std::size_t>(matches.found[position])] = 1;
        if (outcome.hit == 0 && outcome.ignored == 0) wrong.push_back(matches.entries[position].detection);
      }
    }
    for (const std::uint32_t detection : wrong) mistakes_.push_back(classify(detection));
    find_missed();
  }

  const std::vector<Mistake>& mistakes() const { return mistakes_; }
  const std::vector<std::uint32_t>& missed() const { return missed_; }

 private:
  struct Best {
    double overlap = 0;
    std::int32_t truth = -1;
    void take(double value, std::int32_t index) {
      if (value > overlap) *this = {value, index};
    }
  };

  Mistake classify(std::uint32_t index) const {
    const Detection& detection = detections_.boxes[index];
    Best free_same, free_other, used_same, any;
    auto at = std::lower_bound(
        by_image_.begin(), by_image_.end(), detection.image,
        [&](std::uint32_t box, std::int32_t image) { return annotations_.boxes[box].image < image; });
    for (; at != by_image_.end() && annotations_.boxes[*at].image == detection.image; ++at) {
      const TruthBox& truth = annotations_.boxes[*at];
      if (truth.ignore) continue;
      const double value = overlap(detection, truth, false);
      const auto box = static_cast<std::int32_t>(*at);
      const bool same = truth.category == detection.category;
      any.take(value, box);
      if (used_[*at] == 0) (same ? free_same : free_other).take(value, box);
      if (used_[*at] != 0 && same) used_same.take(value, box);
    }
    if (free_same.overlap >= options_.background && free_same.overlap <= options_.foreground &&
        free_same.truth >= 0)
      return {MistakeKind::kLocalization, index, free_same.truth};
    if (free_other.overlap >= options_.foreground) return {MistakeKind::kClass, index, free_other.truth};
    if (used_same.overlap >= options_.foreground) return {MistakeKind::kDuplicate, index, -1};
    if (any.overlap <= options_.background) return {MistakeKind::kBackground, index, -1};
    return {MistakeKind::kBoth, index, -1};
  }

  void find_missed() {
    std::vector<std::uint8_t> covered = used_;
    for (const Mistake& mistake : mistakes_) {
      if (mistake.truth >= 0) covered[static_cast<std::size_t>(mistake.truth)] = 1;
    }
    for (std::uint32_t i = 0; i < covered.size(); ++i) {
      if (covered[i] == 0 && !annotations_.boxes[i].ignore) missed_.push_back(i);
    }
  }

  const Annotations& annotations_;
  const Detections& detections_;
  const ErrorAnalysisOptions& options_;
  std::vector<std::uint8_t> used_;       // per truth
  std::vector<std::uint32_t> by_image_;  // truths
  std::vector<Mistake> mistakes_;
  std::vector<std::uint32_t> missed_;
};

// The detections with the mistakes of one kind put right.
Detections put_right(const Annotations& annotations, const Detections& detections,
                     const std::vector<Mistake>& mistakes, MistakeKind kind) {
  // Of several detections that belong to one truth the best is put right and the others go.
  std::vector<std::int64_t> chosen(annotations.boxes.size(), -1);
  for (const Mistake& mistake : mistakes) {
    if (mistake.kind != kind || mistake.truth < 0) continue;
    auto& best = chosen[static_cast<std::size_t>(mistake.truth)];
    if (best < 0 ||
        detections.boxes[mistake.detection].score > detections.boxes[static_cast<std::size_t>(best)].score)
      best = mistake.detection;
  }
  std::vector<std::uint8_t> removed(detections.boxes.size());
  Detections fixed{detections.boxes, {}};
  for (const Mistake& mistake : mistakes) {
    if (mistake.kind != kind) continue;
    if (mistake.truth < 0 || chosen[static_cast<std::size_t>(mistake.truth)] != mistake.detection) {
      removed[mistake.detection] = 1;
      continue;
    }
    const TruthBox& truth = annotations.boxes[static_cast<std::size_t>(mistake.truth)];
    Detection& detection = fixed.boxes[mistake.detection];
    detection = {truth.image, truth.category, truth.x, truth.y, truth.width, truth.height, detection.score};
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < fixed.boxes.size(); ++i) {
    if (removed[i] == 0) fixed.boxes[kept++] = fixed.boxes[i];
  }
  fixed.boxes.resize(kept);
  return fixed;
}

}  // namespace

Result<ErrorAnalysis> analyse_errors(const Annotations& annotations, const Detections& detections,
                                     const ErrorAnalysisOptions& options, ThreadPool& pool) {
  if (!(options.background >= 0 && options.background < options.foreground && options.foreground <= 1))
    return Error{ErrorCode::kInvalidArgument,
                 "the background threshold lies below the foreground threshold, both in [0, 1]"};
  const EvaluationOptions evaluation = one_threshold(options);
  ASSAY_TRY(const CocoRecord record, evaluate(annotations, detections, evaluation, pool));
  Analysis analysis(annotations, detections, options);
  analysis.run();
  ErrorAnalysis result;
  result.ap = record.ap;
  for (const Mistake& mistake : analysis.mistakes())
    ++result.kinds[static_cast<std::size_t>(mistake.kind)].count;
  result.kinds[static_cast<std::size_t>(MistakeKind::kMissed)].count =
      static_cast<std::int64_t>(analysis.missed().size());
  for (std::size_t k = 0; k < kMistakeKinds; ++k) {
    if (result.kinds[k].count == 0) continue;
    const auto kind = static_cast<MistakeKind>(k);
    Annotations truth = annotations;
    if (kind == MistakeKind::kMissed) {
      for (const std::uint32_t box : analysis.missed()) truth.boxes[box].ignore = true;
    }
    ASSAY_TRY(
        const CocoRecord fixed,
        evaluate(truth, put_right(annotations, detections, analysis.mistakes(), kind), evaluation, pool));
    result.kinds[k].cost = fixed.ap - record.ap;
  }
  return result;
}

}  // namespace assay::eval::coco
