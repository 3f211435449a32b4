#include "eval/coco/error_analysis.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "eval/coco/evaluate.h"
#include "eval/coco/match.h"

namespace assay::eval::coco {
namespace {

constexpr std::int32_t kNone = -1;

struct Mistake {
  MistakeKind kind;
  std::uint32_t detection;
  std::int32_t truth;  // for class and localization: the truth it is about, where nothing found that
  bool counts;         // not within a crowd
};

bool ranks_before(double a, double b) { return a > b || (std::isnan(b) && !std::isnan(a)); }

// Indices of items by image, each image's in their own order.
template <typename Item>
class ByImage {
 public:
  ByImage(const std::vector<Item>& items, std::size_t images) : begin_(images + 1), order_(items.size()) {
    for (const Item& item : items) ++begin_[static_cast<std::size_t>(item.image) + 1];
    for (std::size_t i = 0; i < images; ++i) begin_[i + 1] += begin_[i];
    std::vector<std::uint32_t> next(begin_.begin(), begin_.end() - 1);
    for (std::uint32_t i = 0; i < items.size(); ++i)
      order_[next[static_cast<std::size_t>(items[i].image)]++] = i;
  }
  std::span<const std::uint32_t> of(std::size_t image) const {
    return std::span(order_).subspan(begin_[image], begin_[image + 1] - begin_[image]);
  }

 private:
  std::vector<std::uint32_t> begin_;
  std::vector<std::uint32_t> order_;
};

// What AP is computed from. Points of equal score stay in the order in which they were added.
class Ranking {
 public:
  explicit Ranking(std::size_t categories) : categories_(categories) {}

  void add(std::int32_t category, double score, bool hit) {
    categories_[static_cast<std::size_t>(category)].points.push_back({score, hit});
  }
  void add_truth(std::int32_t category, std::int64_t count) {
    categories_[static_cast<std::size_t>(category)].truths += count;
  }

  // The mean over categories that have truth or detections; -1 if none has.
  double mean_ap() {
    double sum = 0;
    std::int64_t count = 0;
    for (Category& category : categories_) {
      if (category.points.empty() && category.truths == 0) continue;
      sum += ap(category);
      ++count;
    }
    return count == 0 ? -1 : sum / static_cast<double>(count);
  }

 private:
  struct Point {
    double score;
    bool hit;
  };
  struct Category {
    std::vector<Point> points;
    std::int64_t truths = 0;
  };

  static double ap(Category& category) {
    if (category.truths == 0) return 0;
    auto& points = category.points;
    std::stable_sort(points.begin(), points.end(),
                     [](const Point& a, const Point& b) { return ranks_before(a.score, b.score); });
    std::vector<double> precision(points.size()), recall(points.size());
    std::int64_t hits = 0;
    for (std::size_t i = 0; i < points.size(); ++i) {
      hits += points[i].hit;
      precision[i] = static_cast<double>(hits) / static_cast<double>(i + 1);
      recall[i] = static_cast<double>(hits) / static_cast<double>(category.truths);
    }
    for (std::size_t i = points.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
    double sum = 0;
    for (int level = 0; level < kRecallLevels; ++level) {
      const auto at = std::lower_bound(recall.begin(), recall.end(), level / 100.0);
      if (at != recall.end()) sum += precision[static_cast<std::size_t>(at - recall.begin())];
    }
    return sum / kRecallLevels;
  }

  std::vector<Category> categories_;
};

class Analysis {
 public:
  Analysis(const Annotations& annotations, const Detections& detections, const ErrorAnalysisOptions& options)
      : annotations_(annotations),
        detections_(detections),
        options_(options),
        found_(annotations.boxes.size()),
        best_mistake_(annotations.boxes.size(), kNone) {
    const ByImage truths(annotations.boxes, annotations.images.size());
    const ByImage found(detections.boxes, annotations.images.size());
    for (std::size_t i = 0; i < annotations.images.size(); ++i) analyse_image(truths.of(i), found.of(i));
  }

  ErrorAnalysis result() const {
    ErrorAnalysis result;
    result.ap = plain_ranking().mean_ap();
    for (const Mistake& mistake : mistakes_) {
      ++result.kinds[static_cast<std::size_t>(mistake.kind)].count;
      result.false_positives.count += mistake.counts;
    }
    for (std::size_t i = 0; i < annotations_.boxes.size(); ++i) {
      result.kinds[static_cast<std::size_t>(MistakeKind::kMissed)].count += is_missed(i);
      result.false_negatives.count += is_unfound(i);
    }
    // Where a repair leaves neither truth nor detections there is no AP to compare with.
    const auto rise = [&](Ranking ranking) {
      const double ap = ranking.mean_ap();
      return ap < 0 ? 0 : ap - result.ap;
    };
    for (std::size_t k = 0; k < kMistakeKinds; ++k)
      result.kinds[k].cost = std::max(rise(put_right(static_cast<MistakeKind>(k))), 0.0);
    result.false_positives.cost = rise(without_false_positives());
    result.false_negatives.cost = rise(without_false_negatives());
    return result;
  }

 private:
  enum class Verdict : std::uint8_t { kHit, kInCrowd, kWrong };

  struct Best {
    double overlap = 0;
    std::int32_t truth = kNone;
    void take(double value, std::uint32_t index) {
      if (value > overlap) *this = {value, static_cast<std::int32_t>(index)};
    }
  };

  void analyse_image(std::span<const std::uint32_t> truths, std::span<const std::uint32_t> detections) {
    std::vector<std::uint32_t> ranked(detections.begin(), detections.end());
    std::stable_sort(ranked.begin(), ranked.end(), [&](std::uint32_t a, std::uint32_t b) {
      return ranks_before(detections_.boxes[a].score, detections_.boxes[b].score);
    });
    ranked.resize(std::min(ranked.size(), static_cast<std::size_t>(options_.max_detections)));
    std::vector<Verdict> verdicts;
    for (const std::uint32_t detection : ranked) {
      verdicts.push_back(judge(truths, detection));
      if (verdicts.back() != Verdict::kInCrowd)
        ranked_.push_back({detection, verdicts.back() == Verdict::kHit});
    }
    // What a mistake is depends on all that was found in the image.
    for (std::size_t i = 0; i < ranked.size(); ++i) {
      if (verdicts[i] == Verdict::kHit) continue;
      mistakes_.push_back(classify(truths, ranked[i]));
      mistakes_.back().counts = verdicts[i] == Verdict::kWrong;
      claim(mistakes_.size() - 1);
    }
  }

  Verdict judge(std::span<const std::uint32_t> truths, std::uint32_t index) {
    const Detection& detection = detections_.boxes[index];
    Best best;
    bool in_crowd = false;
    for (const std::uint32_t i : truths) {
      const TruthBox& truth = annotations_.boxes[i];
      if (truth.category != detection.category) continue;
      if (truth.ignore) {
        in_crowd |= overlap(detection, truth, true) > options_.foreground;
      } else if (found_[i] == 0) {
        best.take(overlap(detection, truth, false), i);
      }
    }
    if (best.overlap < options_.foreground) return in_crowd ? Verdict::kInCrowd : Verdict::kWrong;
    found_[static_cast<std::size_t>(best.truth)] = 1;
    return Verdict::kHit;
  }

  Mistake classify(std::span<const std::uint32_t> truths, std::uint32_t index) const {
    const Detection& detection = detections_.boxes[index];
    Best same, other, found_same;
    for (const std::uint32_t i : truths) {
      const TruthBox& truth = annotations_.boxes[i];
      if (truth.ignore) continue;
      const double value = overlap(detection, truth, false);
      (truth.category == detection.category ? same : other).take(value, i);
      if (truth.category == detection.category && found_[i] != 0) found_same.take(value, i);
    }
    const auto unfound = [&](std::int32_t truth) {
      return truth != kNone && found_[static_cast<std::size_t>(truth)] == 0 ? truth : kNone;
    };
    if (same.truth != kNone && options_.background <= same.overlap && same.overlap <= options_.foreground)
      return {MistakeKind::kLocalization, index, unfound(same.truth), true};
    if (other.overlap >= options_.foreground) return {MistakeKind::kClass, index, unfound(other.truth), true};
    if (found_same.overlap >= options_.foreground) return {MistakeKind::kDuplicate, index, kNone, true};
    if (std::max(same.overlap, other.overlap) <= options_.background)
      return {MistakeKind::kBackground, index, kNone, true};
    return {MistakeKind::kBoth, index, kNone, true};
  }

  // Of several mistakes about one truth, class or localization, the one with the best score can be put right.
  void claim(std::size_t index) {
    const Mistake& mistake = mistakes_[index];
    if (mistake.truth == kNone) return;
    std::int64_t& best = best_mistake_[static_cast<std::size_t>(mistake.truth)];
    if (best == kNone || ranks_before(score(mistake), score(mistakes_[static_cast<std::size_t>(best)])))
      best = static_cast<std::int64_t>(index);
  }

  double score(const Mistake& mistake) const { return detections_.boxes[mistake.detection].score; }

  bool is_unfound(std::size_t truth) const { return found_[truth] == 0 && !annotations_.boxes[truth].ignore; }
  bool is_missed(std::size_t truth) const { return is_unfound(truth) && best_mistake_[truth] == kNone; }

  template <typename Left>
  void add_truths(Ranking& ranking, Left left) const {
    for (std::size_t i = 0; i < annotations_.boxes.size(); ++i) {
      const TruthBox& truth = annotations_.boxes[i];
      if (!truth.ignore && left(i)) ranking.add_truth(truth.category, 1);
    }
  }

  void add_hits(Ranking& ranking) const {
    for (const auto& [detection, hit] : ranked_) {
      if (hit) ranking.add(detections_.boxes[detection].category, detections_.boxes[detection].score, true);
    }
  }

  Ranking plain_ranking() const {
    Ranking ranking(annotations_.categories.size());
    for (const auto& [detection, hit] : ranked_)
      ranking.add(detections_.boxes[detection].category, detections_.boxes[detection].score, hit);
    add_truths(ranking, [](std::size_t) { return true; });
    return ranking;
  }

  // tidecv lists mistakes before hits wherever it changes something, which shows where scores are equal.
  Ranking put_right(MistakeKind kind) const {
    Ranking ranking(annotations_.categories.size());
    for (std::size_t i = 0; i < mistakes_.size(); ++i) {
      const Mistake& mistake = mistakes_[i];
      if (mistake.kind != kind) {
        if (mistake.counts) ranking.add(detections_.boxes[mistake.detection].category, score(mistake), false);
      } else if (mistake.truth != kNone &&
                 best_mistake_[static_cast<std::size_t>(mistake.truth)] == static_cast<std::int64_t>(i)) {
        ranking.add(annotations_.boxes[static_cast<std::size_t>(mistake.truth)].category, score(mistake),
                    true);
      }
    }
    add_hits(ranking);
    add_truths(ranking, [&](std::size_t i) { return kind != MistakeKind::kMissed || !is_missed(i); });
    return ranking;
  }

  Ranking without_false_positives() const {
    Ranking ranking(annotations_.categories.size());
    for (const auto& [detection, hit] : ranked_)
      ranking.add(detections_.boxes[detection].category, hit ? 1 : 0, hit);
    add_truths(ranking, [](std::size_t) { return true; });
    return ranking;
  }

  Ranking without_false_negatives() const {
    Ranking ranking(annotations_.categories.size());
    for (const Mistake& mistake : mistakes_) {
      if (mistake.counts) ranking.add(detections_.boxes[mistake.detection].category, score(mistake), false);
    }
    add_hits(ranking);
    add_truths(ranking, [&](std::size_t i) { return !is_unfound(i); });
    return ranking;
  }

  struct Ranked {
    std::uint32_t detection;
    bool hit;
  };

  const Annotations& annotations_;
  const Detections& detections_;
  const ErrorAnalysisOptions& options_;
  std::vector<std::uint8_t> found_;         // per truth
  std::vector<std::int64_t> best_mistake_;  // per truth, an index into mistakes_
  std::vector<Ranked> ranked_;              // image by image, best first; without those in crowds
  std::vector<Mistake> mistakes_;           // in the same order
};

}  // namespace

Result<ErrorAnalysis> analyse_errors(const Annotations& annotations, const Detections& detections,
                                     const ErrorAnalysisOptions& options) {
  if (!(options.background >= 0 && options.background < options.foreground && options.foreground <= 1))
    return Error{ErrorCode::kInvalidArgument,
                 "the background threshold lies below the foreground threshold, both in [0, 1]"};
  if (options.max_detections < 1)
    return Error{ErrorCode::kInvalidArgument, "limits of detections per image start at 1"};
  ASSAY_RETURN_IF_ERROR(check_indices(annotations, detections));
  return Analysis(annotations, detections, options).result();
}

}  // namespace assay::eval::coco
