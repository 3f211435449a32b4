// From the encoder's features to what the decoder starts with: the tokens that look most like an object.
// Source: Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", 4.3; transformers, RTDetrModel.
#pragma once
#include <string>
#include <vector>

#include "detect/families/deformable_attention.h"
#include "detect/families/rt_detr_config.h"

namespace assay::detect {

// Those of a backbone's features, by stage, that a detector takes. Errors: kCorrupt where they are not as
// many as the decoder has levels.
Result<std::vector<Value>> levels_of(const std::vector<Value>& features, const std::vector<int>& handed_on,
                                     const RtDetr& detr);

struct Memory {
  Value tokens;  // [tokens, channels], the levels one after the other, finest first
  std::vector<FeatureLevel> levels;
};
// `projected`: through `model.decoder_input_proj`.
Memory memory_of(Network& net, const std::vector<Value>& encoded, const RtDetr& detr, bool projected);

// The path of a head of a decoder layer, "class_embed" or "bbox_embed": below model.decoder as in published
// files, or beside the model, where transformers keeps a copy.
std::string head_name(const Network& net, const std::string& head, int layer);

struct SelectedQueries {
  Value states;  // [queries, channels]
  Value boxes;   // [queries, 4], before the sigmoid
};

// The best of the tokens by the score of their best class, best first, equal ones in their order; by
// `model.enc_output`, `.enc_score_head` and `.enc_bbox_head`.
SelectedQueries select_queries(Network& net, const Memory& memory, const RtDetr& detr);

// Where each token expects a box, as logits of center and size, 4 for each. Where that would lie at the
// picture's border, `inside` is 0 and the logits stand for infinity: transformers has the largest float
// there, here is 10,000, whose sigmoid is as surely 1 and which float16 holds.
struct Anchors {
  std::vector<float> logits, inside;
};
Anchors anchors_of(const std::vector<FeatureLevel>& levels);

}  // namespace assay::detect
