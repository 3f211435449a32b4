#include "eval/coco/evaluate.h"

#include <algorithm>

#include "eval/coco/match.h"
#include "eval/coco/mean.h"

namespace assay::eval::coco {

std::vector<double> coco_iou_thresholds() {
  std::vector<double> thresholds;
  const double step = (0.95 - 0.5) / 9;
  for (int i = 0; i < 9; ++i) thresholds.push_back(i * step + 0.5);
  thresholds.push_back(0.95);
  return thresholds;
}

std::vector<AreaRange> coco_area_ranges() {
  return {{"all", 0, 1e10}, {"small", 0, 1024}, {"medium", 1024, 9216}, {"large", 9216, 1e10}};
}

namespace {

// One category and area range into curves.
class Accumulator {
 public:
  Accumulator(const CategoryMatches& matches, std::size_t category, const EvaluationOptions& options,
              Curves& curves)
      : matches_(matches), category_(category), options_(options), curves_(curves) {}

  void run() {
    for (std::size_t area = 0; area < options_.areas.size(); ++area) {
      if (matches_.num_truths[area] == 0) continue;
      recalls(area);
      misses_at_hits(area);
      for (std::size_t t = 0; t < curves_.thresholds; ++t) precisions(area, t);
    }
  }

 private:
  // The order of detections does not matter to the recall at the end, so smaller limits need no sorting of
  // their own.
  void recalls(std::size_t area) {
    const auto& outcomes = matches_.outcomes[area];
    std::vector<std::int64_t> hits(curves_.thresholds * curves_.limits);
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      if (outcomes[i].hit == 0) continue;
      for (std::size_t t = 0; t < curves_.thresholds; ++t) {
        if ((outcomes[i].hit >> t & 1) == 0) continue;
        for (std::size_t m = 0; m < curves_.limits; ++m)
          hits[t * curves_.limits + m] += matches_.entries[i].rank < options_.max_detections[m];
      }
    }
    const auto truths = static_cast<double>(matches_.num_truths[area]);
    for (std::size_t t = 0; t < curves_.thresholds; ++t) {
      for (std::size_t m = 0; m < curves_.limits; ++m) {
        curves_.recall[curves_.recall_at(t, category_, area, m)] =
            static_cast<double>(hits[t * curves_.limits + m]) / truths;
      }
    }
  }

  // For each hit, best score first, how many false positives stand before it: all that precision depends on,
  // since behind a hit precision only falls until the next one.
  void misses_at_hits(std::size_t area) {
    const auto& outcomes = matches_.outcomes[area];
    const std::uint64_t all = ~std::uint64_t{0} >> (64 - curves_.thresholds);
    misses_.assign(curves_.thresholds, {});
    std::int64_t common = 0;  // false positives at every threshold
    std::vector<std::int64_t> own(curves_.thresholds);
    for (const std::uint32_t position : matches_.ranking) {
      const Outcome& outcome = outcomes[position];
      if (outcome.hit == 0 && (outcome.ignored == 0 || outcome.ignored == all)) {
        common += outcome.ignored == 0;
        continue;
      }
      for (std::size_t t = 0; t < curves_.thresholds; ++t) {
        if ((outcome.hit >> t & 1) != 0) {
          misses_[t].push_back(common + own[t]);
        } else if ((outcome.ignored >> t & 1) == 0) {
          ++own[t];
        }
      }
    }
  }

  void precisions(std::size_t area, std::size_t t) {
    const auto& misses = misses_[t];
    std::vector<double> envelope(misses.size());
    constexpr double kSpacing = 2.220446049250313e-16;  // numpy.spacing(1)
    for (std::size_t i = 0; i < misses.size(); ++i) {
      const auto hits = static_cast<double>(i + 1);
      envelope[i] = hits / ((static_cast<double>(misses[i]) + hits) + kSpacing);
    }
    for (std::size_t i = envelope.size(); i-- > 1;) envelope[i - 1] = std::max(envelope[i - 1], envelope[i]);
    const auto truths = static_cast<double>(matches_.num_truths[area]);
    std::size_t hit = 0;
    for (int r = 0; r < kRecallLevels; ++r) {
      const double level = r * 0.01;
      while (hit < envelope.size() && static_cast<double>(hit + 1) / truths < level) ++hit;
      curves_.precision[curves_.precision_at(t, static_cast<std::size_t>(r), category_, area)] =
          hit < envelope.size() ? envelope[hit] : 0;
    }
  }

  const CategoryMatches& matches_;
  const std::size_t category_;
  const EvaluationOptions& options_;
  Curves& curves_;
  std::vector<std::vector<std::int64_t>> misses_;  // [threshold][hit]
};

}  // namespace

Result<Curves> evaluate_curves(const Annotations& annotations, const Detections& detections,
                               const EvaluationOptions& unchecked, ThreadPool& pool) {
  ASSAY_TRY(const EvaluationOptions options, checked_options(unchecked));
  ASSAY_RETURN_IF_ERROR(check_indices(annotations, detections));
  Curves curves;
  curves.thresholds = options.iou_thresholds.size();
  curves.categories = annotations.categories.size();
  curves.areas = options.areas.size();
  curves.limits = options.max_detections.size();
  const std::size_t cells = curves.thresholds * curves.categories * curves.areas;
  curves.precision.assign(cells * kRecallLevels, -1);
  curves.recall.assign(cells * curves.limits, -1);
  const Matcher matcher(annotations, detections, options);
  pool.parallel_for(static_cast<std::int64_t>(curves.categories), 1, [&](WorkRange range) {
    for (std::int64_t k = range.begin; k < range.end; ++k) {
      const auto category = static_cast<std::size_t>(k);
      Accumulator(matcher.match(category), category, options, curves).run();
    }
  });
  return curves;
}

Result<CocoRecord> evaluate(const Annotations& annotations, const Detections& detections,
                            const EvaluationOptions& unchecked, ThreadPool& pool) {
  ASSAY_TRY(const EvaluationOptions options, checked_options(unchecked));
  ASSAY_TRY(const Curves curves, evaluate_curves(annotations, detections, options, pool));
  return summarize(curves, annotations, detections, options);
}

}  // namespace assay::eval::coco
