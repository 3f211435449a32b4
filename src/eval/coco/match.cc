#include "eval/coco/match.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "eval/coco/score_order.h"

namespace assay::eval::coco {

Result<EvaluationOptions> checked_options(const EvaluationOptions& options) {
  const auto invalid = [](const char* message) { return Error{ErrorCode::kInvalidArgument, message}; };
  if (options.iou_thresholds.empty() || options.iou_thresholds.size() > 64)
    return invalid("between 1 and 64 IoU thresholds are needed");
  if (options.areas.empty()) return invalid("at least one area range is needed");
  if (options.max_detections.empty()) return invalid("at least one limit of detections per image is needed");
  EvaluationOptions checked = options;
  std::sort(checked.max_detections.begin(), checked.max_detections.end());
  if (checked.max_detections.front() < 1) return invalid("limits of detections per image start at 1");
  return checked;
}

namespace {

template <typename Item>
Status check_items(const std::vector<Item>& items, const Annotations& annotations, const char* noun) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    const bool inside = items[i].image >= 0 && items[i].category >= 0 &&
                        static_cast<std::size_t>(items[i].image) < annotations.images.size() &&
                        static_cast<std::size_t>(items[i].category) < annotations.categories.size();
    if (!inside) {
      return Error{ErrorCode::kInvalidArgument, std::string(noun) + " " + std::to_string(i) +
                                                    " is on an image or in a category that does not exist"};
    }
  }
  return {};
}

// Stable.
template <typename Key>
std::vector<std::uint32_t> counting_sort(const std::vector<std::uint32_t>& order, std::size_t num_keys,
                                         Key key, std::vector<std::uint32_t>& begin) {
  begin.assign(num_keys + 1, 0);
  for (const std::uint32_t item : order) ++begin[static_cast<std::size_t>(key(item)) + 1];
  for (std::size_t k = 0; k < num_keys; ++k) begin[k + 1] += begin[k];
  std::vector<std::uint32_t> next(begin.begin(), begin.end() - 1);
  std::vector<std::uint32_t> sorted(order.size());
  for (const std::uint32_t item : order) sorted[next[static_cast<std::size_t>(key(item))]++] = item;
  return sorted;
}

constexpr std::size_t kPrefetchAhead = 12;

bool is_outside(double area, const AreaRange& range) { return area < range.min || area > range.max; }

}  // namespace

Status check_indices(const Annotations& annotations, const Detections& detections) {
  ASSAY_RETURN_IF_ERROR(check_items(annotations.boxes, annotations, "box"));
  return check_items(detections.boxes, annotations, "detection");
}

template <typename Item>
Buckets::Buckets(std::span<const Item> items, std::size_t images, std::size_t categories) {
  std::vector<std::uint32_t> order(items.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  order = counting_sort(
      order, images, [&](std::uint32_t i) { return items[i].image; }, begin_);
  order_ = counting_sort(
      order, categories, [&](std::uint32_t i) { return items[i].category; }, begin_);
}

template Buckets::Buckets(std::span<const TruthBox>, std::size_t, std::size_t);
template Buckets::Buckets(std::span<const Detection>, std::size_t, std::size_t);

// The C of pycocotools, operation by operation: fmin and fmax drop a NaN.
double overlap(const Detection& detection, const TruthBox& truth, bool crowd) {
  const double w =
      std::fmin(detection.width + detection.x, truth.width + truth.x) - std::fmax(detection.x, truth.x);
  if (w <= 0) return 0;
  const double h =
      std::fmin(detection.height + detection.y, truth.height + truth.y) - std::fmax(detection.y, truth.y);
  if (h <= 0) return 0;
  const double detection_area = detection.width * detection.height;
  const double truth_area = truth.width * truth.height;
  const double intersection = w * h;
  const double united = crowd ? detection_area : detection_area + truth_area - intersection;
  return intersection / united;
}

// One image and category; its buffers serve the next one too.
struct Matcher::Cell {
  std::int32_t image = 0;
  std::span<const std::uint32_t> truths;
  std::vector<std::uint32_t> detections;  // best first, cut to the limit
  std::vector<double> overlaps;           // [detection][truth]
  std::vector<double> areas;              // of the detections
  std::vector<std::uint8_t> reachable;    // per detection: some overlap is not below all thresholds
  std::vector<std::uint32_t> order;       // of the truths, for one area range
  std::size_t counting = 0;               // the first so many of `order` are what there is to find
  std::vector<std::uint8_t> taken;        // per truth
};

Matcher::Matcher(const Annotations& annotations, const Detections& detections,
                 const EvaluationOptions& options)
    : annotations_(annotations),
      detections_(detections),
      options_(options),
      truth_buckets_(std::span<const TruthBox>(annotations.boxes), annotations.images.size(),
                     annotations.categories.size()),
      detection_buckets_(std::span<const Detection>(detections.boxes), annotations.images.size(),
                         annotations.categories.size()),
      lowest_threshold_(std::min(
          *std::min_element(options.iou_thresholds.begin(), options.iou_thresholds.end()), 1 - 1e-10)) {}

CategoryMatches Matcher::match(std::size_t category) const {
  CategoryMatches out;
  const std::size_t areas = options_.areas.size();
  out.outcomes.resize(areas);
  out.truths.resize(areas);
  out.num_truths.assign(areas, 0);
  std::span<const std::uint32_t> truths = truth_buckets_.of_category(category);
  std::span<const std::uint32_t> detections = detection_buckets_.of_category(category);
  out.entries.reserve(detections.size());
  for (auto& outcomes : out.outcomes) outcomes.reserve(detections.size());
  bool image_without_detections = false;
  Cell cell;
  while (!truths.empty() || !detections.empty()) {
    // Detections of a category lie far apart, one image's behind the other's; ask for those to come.
    if (detections.size() > kPrefetchAhead)
      __builtin_prefetch(&detections_.boxes[detections[kPrefetchAhead]]);
    cell.image = std::numeric_limits<std::int32_t>::max();
    if (!truths.empty()) cell.image = annotations_.boxes[truths.front()].image;
    if (!detections.empty()) cell.image = std::min(cell.image, detections_.boxes[detections.front()].image);
    std::size_t num_truths = 0, num_detections = 0;
    while (num_truths < truths.size() && annotations_.boxes[truths[num_truths]].image == cell.image)
      ++num_truths;
    while (num_detections < detections.size() &&
           detections_.boxes[detections[num_detections]].image == cell.image)
      ++num_detections;
    cell.truths = truths.first(num_truths);
    cell.detections.assign(detections.begin(),
                           detections.begin() + static_cast<std::ptrdiff_t>(num_detections));
    truths = truths.subspan(num_truths);
    detections = detections.subspan(num_detections);
    image_without_detections |= num_detections == 0;
    match_cell(cell, out);
  }
  std::vector<RankedDetection> ranked;
  ranked.reserve(out.entries.size());
  for (const auto& entry : out.entries) ranked.push_back({entry.detection, entry.image});
  out.ranking = sort_across_images(detections_, ranked, image_without_detections);
  return out;
}

void Matcher::match_cell(Cell& cell, CategoryMatches& out) const {
  sort_within_image(detections_, cell.detections);
  const auto limit = static_cast<std::size_t>(options_.max_detections.back());
  if (cell.detections.size() > limit) cell.detections.resize(limit);
  const std::size_t num_truths = cell.truths.size();
  cell.overlaps.resize(cell.detections.size() * num_truths);
  cell.reachable.assign(cell.detections.size(), 0);
  cell.areas.clear();
  for (std::size_t d = 0; d < cell.detections.size(); ++d) {
    const Detection& detection = detections_.boxes[cell.detections[d]];
    out.entries.push_back({cell.detections[d], cell.image, static_cast<std::int32_t>(d)});
    cell.areas.push_back(detection.width * detection.height);
    for (std::size_t g = 0; g < num_truths; ++g) {
      const TruthBox& truth = annotations_.boxes[cell.truths[g]];
      const double value = overlap(detection, truth, truth.crowd);
      cell.overlaps[d * num_truths + g] = value;
      if (!(value < lowest_threshold_)) cell.reachable[d] = 1;  // NaN is not below
    }
  }
  out.found.resize(out.entries.size(), -1);
  for (std::size_t area = 0; area < options_.areas.size(); ++area) match_area(cell, area, out);
}

// What counts comes first, as pycocotools sorts it; sets `counting`.
void Matcher::order_truths(Cell& cell, std::size_t area) const {
  const AreaRange& range = options_.areas[area];
  cell.order.clear();
  for (const bool counts : {true, false}) {
    for (std::uint32_t g = 0; g < cell.truths.size(); ++g) {
      const TruthBox& truth = annotations_.boxes[cell.truths[g]];
      if ((!truth.ignore && !is_outside(truth.area, range)) == counts) cell.order.push_back(g);
    }
    if (counts) cell.counting = cell.order.size();
  }
}

// Gives truths to detections, best first, at one threshold. `found` may be null.
void Matcher::match_threshold(Cell& cell, std::size_t t, std::span<Outcome> outcomes,
                              std::int32_t* found) const {
  const std::uint64_t bit = std::uint64_t{1} << t;
  const std::size_t num_truths = cell.truths.size();
  cell.taken.assign(num_truths, 0);
  for (std::size_t d = 0; d < outcomes.size(); ++d) {
    if (cell.reachable[d] == 0) continue;
    double best = std::min(options_.iou_thresholds[t], 1 - 1e-10);
    std::size_t match = num_truths;
    for (std::size_t i = 0; i < num_truths; ++i) {
      const std::uint32_t g = cell.order[i];
      if (cell.taken[g] != 0 && !annotations_.boxes[cell.truths[g]].crowd) continue;
      if (match < cell.counting && i >= cell.counting) break;
      const double value = cell.overlaps[d * num_truths + g];
      if (value < best) continue;  // of equal overlaps the later one wins, and NaN always does
      best = value;
      match = i;
    }
    if (match == num_truths) continue;
    cell.taken[cell.order[match]] = 1;
    if (found != nullptr) found[d] = static_cast<std::int32_t>(cell.truths[cell.order[match]]);
    if (match >= cell.counting) outcomes[d].ignored |= bit;
    if (!annotations_.boxes[cell.truths[cell.order[match]]].id_is_zero) outcomes[d].hit |= bit;
  }
}

void Matcher::match_area(Cell& cell, std::size_t area, CategoryMatches& out) const {
  std::vector<Outcome>& all_outcomes = out.outcomes[area];
  const std::size_t first = all_outcomes.size();
  all_outcomes.resize(first + cell.detections.size());
  const std::span<Outcome> outcomes = std::span(all_outcomes).subspan(first);
  if (!cell.truths.empty()) {
    order_truths(cell, area);
    if (cell.counting > 0) out.truths[area].push_back({cell.image, static_cast<std::int32_t>(cell.counting)});
    out.num_truths[area] += static_cast<std::int64_t>(cell.counting);
    if (std::find(cell.reachable.begin(), cell.reachable.end(), 1) != cell.reachable.end()) {
      for (std::size_t t = 0; t < options_.iou_thresholds.size(); ++t)
        match_threshold(cell, t, outcomes, area == 0 && t == 0 ? out.found.data() + first : nullptr);
    }
  }
  const std::uint64_t all = ~std::uint64_t{0} >> (64 - options_.iou_thresholds.size());
  for (std::size_t d = 0; d < outcomes.size(); ++d) {
    Outcome& outcome = outcomes[d];
    if (is_outside(cell.areas[d], options_.areas[area])) outcome.ignored |= all & ~outcome.hit;
    outcome.hit &= ~outcome.ignored;
  }
}

}  // namespace assay::eval::coco
