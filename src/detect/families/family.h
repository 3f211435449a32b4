// The detectors whose checkpoints can be made into graphs.
#pragma once
#include <nlohmann/json.hpp>

#include "detect/families/layers.h"

namespace assay::detect {

// What a detector puts out, for each query: [queries, classes] before softmax or sigmoid, and boxes [queries,
// 4] as center and size relative to the picture.
struct Queries {
  Value logits, boxes;
};

struct Picture {
  Value pixels;  // [1, height, width, 3]
  // [1, height, width]: 1 where the picture is, padded right and below. It exists where pictures are padded.
  Value mask;
};

// One function for each: from a picture to queries, with the tensors named as on the hub.
// Errors: kUnsupported and kCorrupt, naming the key of config.json; what is wrong with tensors is told by
// net.weights.

// Carion et al., "End-to-End Object Detection with Transformers"; transformers, modeling_detr.py.
Result<Queries> build_detr(Network& net, const nlohmann::json& config, const Picture& picture);

// Meng et al., "Conditional DETR for Fast Training Convergence"; modeling_conditional_detr.py.
Result<Queries> build_conditional_detr(Network& net, const nlohmann::json& config, const Picture& picture);

// Zhu et al., "Deformable DETR"; modeling_deformable_detr.py.
Result<Queries> build_deformable_detr(Network& net, const nlohmann::json& config, const Picture& picture);

// Fang et al., "You Only Look at One Sequence"; modeling_yolos.py. Takes no mask.
Result<Queries> build_yolos(Network& net, const nlohmann::json& config, const Picture& picture);

// Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", and Lv et al., "RT-DETRv2"; transformers,
// modeling_rt_detr.py and modeling_rt_detr_v2.py.
Result<Queries> build_rt_detr(Network& net, const nlohmann::json& config, const Picture& picture);

// Peng et al., "D-FINE: Redefine Regression Task in DETRs as Fine-grained Distribution Refinement";
// transformers, modeling_d_fine.py.
Result<Queries> build_d_fine(Network& net, const nlohmann::json& config, const Picture& picture);

}  // namespace assay::detect
