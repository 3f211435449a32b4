#include "eval/coco/bootstrap.h"

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "eval/coco/match.h"

namespace assay::eval::coco {
namespace {

// AP, AP50, AP75, then AP of each area range.
constexpr std::size_t kAp = 0, kAp50 = 1, kAp75 = 2, kFirstArea = 3;

// What one resample needs of a category and area range: the detections that count somewhere, best first.
struct Ranking {
  struct Entry {
    std::int32_t image;
    Outcome outcome;
  };
  std::vector<Entry> entries;
  std::vector<CategoryMatches::ImageTruths> truths;
};

// Weighted average precision of everything that was matched, over and over.
class Resampler {
 public:
  Resampler(const Annotations& annotations, const Detections& detections, const EvaluationOptions& options,
            ThreadPool& pool)
      : options_(options), rankings_(annotations.categories.size() * options.areas.size()) {
    const Matcher matcher(annotations, detections, options);
    const std::uint64_t all = ~std::uint64_t{0} >> (64 - options.iou_thresholds.size());
    pool.parallel_for(static_cast<std::int64_t>(annotations.categories.size()), 1, [&](WorkRange range) {
      for (std::int64_t k = range.begin; k < range.end; ++k) {
        const CategoryMatches matches = matcher.match(static_cast<std::size_t>(k));
        for (std::size_t a = 0; a < options.areas.size(); ++a) {
          Ranking& ranking = rankings_[static_cast<std::size_t>(k) * options.areas.size() + a];
          ranking.truths = matches.truths[a];
          for (const std::uint32_t position : matches.ranking) {
            const Outcome outcome = matches.outcomes[a][position];
            if (outcome.ignored != all) ranking.entries.push_back({matches.entries[position].image, outcome});
          }
        }
      }
    });
  }

  std::vector<double> figures(const std::vector<std::int32_t>& weights) const {
    const std::size_t areas = options_.areas.size(), thresholds = options_.iou_thresholds.size();
    std::vector<double> sums(kFirstArea + areas), counts(kFirstArea + areas);
    std::vector<double> ap(thresholds);
    for (std::size_t i = 0; i < rankings_.size(); ++i) {
      if (!average_precisions(rankings_[i], weights, ap)) continue;
      const std::size_t area = i % areas;
      for (std::size_t t = 0; t < thresholds; ++t) {
        const auto add = [&](std::size_t figure) {
          sums[figure] += ap[t];
          ++counts[figure];
        };
        add(kFirstArea + area);
        if (area == 0 && options_.iou_thresholds[t] == 0.5) add(kAp50);
        if (area == 0 && options_.iou_thresholds[t] == 0.75) add(kAp75);
      }
    }
    for (std::size_t f = 0; f < sums.size(); ++f) sums[f] = counts[f] > 0 ? sums[f] / counts[f] : -1;
    sums[kAp] = sums[kFirstArea];
    return sums;
  }

 private:
  struct Step {
    double precision;
    std::int64_t hits;  // up to here
  };

  // False if there is nothing to find.
  bool average_precisions(const Ranking& ranking, const std::vector<std::int32_t>& weights,
                          std::vector<double>& ap) const {
    std::int64_t truths = 0;
    for (const auto& entry : ranking.truths)
      truths += std::int64_t{entry.count} * weights[static_cast<std::size_t>(entry.image)];
    if (truths == 0) return false;
    std::vector<std::vector<Step>> steps(ap.size());
    std::vector<std::int64_t> misses(ap.size()), hits(ap.size());
    std::int64_t common_misses = 0;
    for (const auto& entry : ranking.entries) {
      const std::int64_t weight = weights[static_cast<std::size_t>(entry.image)];
      if (weight == 0) continue;
      if ((entry.outcome.hit | entry.outcome.ignored) == 0) {
        common_misses += weight;
        continue;
      }
      for (std::size_t t = 0; t < ap.size(); ++t) {
        if ((entry.outcome.hit >> t & 1) != 0) {
          hits[t] += weight;
          const auto found = static_cast<double>(hits[t]);
          steps[t].push_back({found / (found + static_cast<double>(misses[t] + common_misses)), hits[t]});
        } else if ((entry.outcome.ignored >> t & 1) == 0) {
          misses[t] += weight;
        }
      }
    }
    for (std::size_t t = 0; t < ap.size(); ++t) ap[t] = average_precision(steps[t], truths);
    return true;
  }

  static double average_precision(std::vector<Step>& steps, std::int64_t truths) {
    for (std::size_t i = steps.size(); i-- > 1;)
      steps[i - 1].precision = std::max(steps[i - 1].precision, steps[i].precision);
    double sum = 0;
    std::size_t at = 0;
    for (int r = 0; r < kRecallLevels; ++r) {
      while (at < steps.size() &&
             static_cast<double>(steps[at].hits) / static_cast<double>(truths) < r * 0.01)
        ++at;
      if (at == steps.size()) break;
      sum += steps[at].precision;
    }
    return sum / kRecallLevels;
  }

  const EvaluationOptions& options_;
  std::vector<Ranking> rankings_;  // [category][area]
};

std::vector<std::int32_t> draw_weights(std::size_t images, std::uint64_t seed, std::int64_t resample) {
  Rng mixer(seed);
  Rng rng(mixer.next() + static_cast<std::uint64_t>(resample) * 0xd1342543de82ef95ULL);
  rng = Rng(rng.next());
  std::vector<std::int32_t> weights(images);
  for (std::size_t i = 0; i < images; ++i) ++weights[rng.below(images)];
  return weights;
}

// [figure][resample] for each of the results.
using Samples = std::vector<std::vector<double>>;

std::vector<Samples> resample(const std::vector<const Resampler*>& results, std::size_t num_figures,
                              std::size_t images, const BootstrapOptions& options, ThreadPool& pool) {
  const auto resamples = static_cast<std::size_t>(options.resamples);
  std::vector<Samples> samples(results.size(), Samples(num_figures, std::vector<double>(resamples)));
  pool.parallel_for(options.resamples, 1, [&](WorkRange range) {
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      const auto weights = draw_weights(images, options.seed, i);
      for (std::size_t r = 0; r < results.size(); ++r) {
        const auto figures = results[r]->figures(weights);
        for (std::size_t f = 0; f < num_figures; ++f) samples[r][f][static_cast<std::size_t>(i)] = figures[f];
      }
    }
  });
  return samples;
}

// Percentiles between order statistics, as numpy.percentile's default.
double quantile(const std::vector<double>& sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

Interval interval_of(std::vector<double> values, double confidence) {
  double mean = 0, squares = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  for (const double value : values) squares += (value - mean) * (value - mean);
  std::sort(values.begin(), values.end());
  return {quantile(values, (1 - confidence) / 2), quantile(values, (1 + confidence) / 2),
          std::sqrt(squares / static_cast<double>(values.size() - 1))};
}

PairedFigure paired_figure(double first, double second, const std::vector<double>& a,
                           const std::vector<double>& b, double confidence) {
  PairedFigure figure{first, second, second - first};
  std::vector<double> differences(a.size());
  std::size_t not_above = 0, not_below = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    differences[i] = b[i] - a[i];
    not_above += differences[i] <= 0;
    not_below += differences[i] >= 0;
  }
  const double other_side = static_cast<double>(std::max<std::size_t>(1, std::min(not_above, not_below)));
  figure.p_value = std::min(1.0, 2 * other_side / static_cast<double>(a.size()));
  figure.interval = interval_of(std::move(differences), confidence);
  return figure;
}

Status check(const BootstrapOptions& options) {
  if (options.resamples < 2) return Error{ErrorCode::kInvalidArgument, "at least 2 resamples are needed"};
  if (!(options.confidence > 0 && options.confidence < 1))
    return Error{ErrorCode::kInvalidArgument, "the confidence lies between 0 and 1"};
  return {};
}

}  // namespace

Result<BootstrapRecord> bootstrap(const Annotations& annotations, const Detections& detections,
                                  const EvaluationOptions& unchecked,
                                  const BootstrapOptions& bootstrap_options, ThreadPool& pool) {
  ASSAY_RETURN_IF_ERROR(check(bootstrap_options));
  ASSAY_TRY(const EvaluationOptions options, checked_options(unchecked));
  ASSAY_RETURN_IF_ERROR(check_indices(annotations, detections));
  const Resampler resampler(annotations, detections, options, pool);
  const std::size_t figures = kFirstArea + options.areas.size();
  const auto samples = resample({&resampler}, figures, annotations.images.size(), bootstrap_options, pool);
  const auto interval = [&](std::size_t figure) {
    return interval_of(samples[0][figure], bootstrap_options.confidence);
  };
  BootstrapRecord record{interval(kAp), interval(kAp50), interval(kAp75), {}};
  for (std::size_t a = 0; a < options.areas.size(); ++a) record.areas.push_back(interval(kFirstArea + a));
  return record;
}

Result<PairedRecord> bootstrap_paired(const Annotations& annotations, const Detections& first,
                                      const Detections& second, const EvaluationOptions& unchecked,
                                      const BootstrapOptions& bootstrap_options, ThreadPool& pool) {
  ASSAY_RETURN_IF_ERROR(check(bootstrap_options));
  ASSAY_TRY(const EvaluationOptions options, checked_options(unchecked));
  ASSAY_TRY(const CocoRecord a, evaluate(annotations, first, options, pool));
  ASSAY_TRY(const CocoRecord b, evaluate(annotations, second, options, pool));
  const Resampler resampler_a(annotations, first, options, pool),
      resampler_b(annotations, second, options, pool);
  const std::size_t figures = kFirstArea + options.areas.size();
  const auto samples =
      resample({&resampler_a, &resampler_b}, figures, annotations.images.size(), bootstrap_options, pool);
  const auto pair = [&](double x, double y, std::size_t figure) {
    return paired_figure(x, y, samples[0][figure], samples[1][figure], bootstrap_options.confidence);
  };
  PairedRecord record{pair(a.ap, b.ap, kAp), pair(a.ap50, b.ap50, kAp50), pair(a.ap75, b.ap75, kAp75), {}};
  for (std::size_t i = 0; i < options.areas.size(); ++i)
    record.areas.push_back(pair(a.areas[i].ap, b.areas[i].ap, kFirstArea + i));
  return record;
}

}  // namespace assay::eval::coco
