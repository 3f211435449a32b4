// What a .tflite file says about the detector in it: a JSON object among its metadata, which other programs
// leave alone.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "detect/heads/head_kind.h"
#include "formats/tflite/model.h"
#include "image/preprocess.h"

namespace assay::detect {

inline constexpr std::string_view kDetectorCardName = "assay.detector";

struct DetectorCard {
  std::string architecture;  // model_type of the checkpoint
  HeadKind head = HeadKind::kDetr;
  int max_detections = 0;  // 0: as many as the head gives
  ResizeKind resize = ResizeKind::kPillowBilinear;
  // kLetterboxTopLeft: the model takes a mask of the picture as a second input.
  FitKind fit = FitKind::kStretch;
  // Then: the sizes of pictures before they are padded, as in Processor; 0: as large as fits.
  int shortest_edge = 0, longest_edge = 0;
  // value = (pixel - mean) / std, pixel 0 to 255, red first
  std::array<float, 3> mean = {0.0f, 0.0f, 0.0f}, std = {1.0f, 1.0f, 1.0f};
  std::vector<std::string> labels;  // by class index; "N/A" or "": means nothing
};

std::string card_json(const DetectorCard& card);
// Errors: kCorrupt, naming the key.
Result<DetectorCard> parse_card(ByteView json);
// Nothing where the model has none. Errors: those of parse_card.
Result<std::optional<DetectorCard>> find_card(const tflite::Model& model);

}  // namespace assay::detect
