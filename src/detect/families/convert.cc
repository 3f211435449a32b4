#include "detect/families/convert.h"

#include <array>

#include "detect/families/family.h"
#include "detect/families/labels.h"
#include "detect/heads/detector_card.h"
#include "formats/json/json_fields.h"

namespace assay::detect {
namespace {

struct Family {
  std::string_view model_type;
  Result<Queries> (*build)(Network&, const nlohmann::json&, const Picture&);
  bool takes_mask;
  HeadKind head;           // how transformers' post_process_object_detection reads what it puts out
  int max_detections = 0;  // that it keeps; 0: as many as there are queries
};
constexpr std::array<Family, 7> kFamilies = {
    {{"conditional_detr", build_conditional_detr, true, HeadKind::kRtDetr, 100},
     {"d_fine", build_d_fine, false, HeadKind::kRtDetr},
     {"deformable_detr", build_deformable_detr, true, HeadKind::kRtDetr, 100},
     {"detr", build_detr, true, HeadKind::kDetr},
     {"rt_detr", build_rt_detr, false, HeadKind::kRtDetr},
     {"rt_detr_v2", build_rt_detr, false, HeadKind::kRtDetr},
     {"yolos", build_yolos, false, HeadKind::kDetr}}};

constexpr int kLargestSide = 8192;

Result<Family> family_of(const std::string& model_type) {
  std::string known;
  for (const Family& family : kFamilies) {
    if (family.model_type == model_type) return family;
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  return Error{ErrorCode::kUnsupported,
               "config.json: model_type: " + quote(model_type) + ", expected one of " + known};
}

}  // namespace

Result<tflite::Model> convert_detector(std::string_view config_json, const Processor& processor,
                                       const TensorMap& tensors, InputSize size,
                                       const ConvertOptions& options) {
  auto config = parse_json_object(as_bytes(config_json));
  if (!config) return config.error().with_context("config.json");
  JsonFields fields(*config);
  const std::string model_type = fields.text("model_type", "");
  ASSAY_RETURN_IF_ERROR(fields.status());
  ASSAY_TRY(const Family family, family_of(model_type));
  for (const int side : {size.height, size.width}) {
    if (side < 1 || side > kLargestSide)
      return Error{ErrorCode::kInvalidArgument,
                   "size: " + std::to_string(size.height) + "x" + std::to_string(size.width) +
                       ", expected height x width of 1 to " + std::to_string(kLargestSide) + " pixels"};
  }
  if (options.padding && !family.takes_mask)
    return Error{ErrorCode::kUnsupported, "padding: " + model_type + " has no mask of the picture"};
  GraphBuilder graph;
  CheckpointWeights weights(tensors, graph);
  // Counters of the training.
  weights.ignore("num_batches_tracked");
  Network net{graph, weights};
  Picture picture{.pixels = graph.input("pixel_values", {1, size.height, size.width, 3})};
  if (options.padding) picture.mask = graph.input("pixel_mask", {1, size.height, size.width});
  auto queries = family.build(net, *config, picture);
  if (!queries) return queries.error().with_context("config.json");
  ASSAY_RETURN_IF_ERROR(weights.finish());
  graph.set_scope("");
  const auto with_batch = [&](Value x) {
    return graph.reshape(x, {1, graph.extent(x, 0), graph.extent(x, 1)});
  };
  graph.output("logits", with_batch(queries->logits));
  graph.output("pred_boxes", with_batch(queries->boxes));
  DetectorCard card;
  card.architecture = model_type;
  card.head = family.head;
  card.max_detections = family.max_detections;
  card.resize = processor.resize;
  if (options.padding) {
    card.fit = FitKind::kLetterboxTopLeft;
    card.shortest_edge = processor.shortest_edge;
    card.longest_edge = processor.longest_edge;
  }
  card.mean = processor.mean;
  card.std = processor.std;
  ASSAY_TRY(card.labels, labels_of(*config));
  return graph.finish(model_type + " made from a checkpoint by Assay",
                      {{std::string(kDetectorCardName), card_json(card)}});
}

}  // namespace assay::detect
