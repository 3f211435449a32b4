// A COCO record as JSON and as the table that pycocotools prints.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "eval/coco/evaluate.h"
#include "flow/evaluate_detections.h"
#include "flow/explain_detections.h"

namespace assay::cli {

// {AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl, images, per_category}. Area ranges and
// limits other than COCO's give keys AP_<area>, AR_<area> and AR<limit>.
nlohmann::ordered_json coco_json(const eval::coco::CocoRecord& record);

// A number, or a string: for ids that are strings, and for integers beyond 64 bits.
nlohmann::ordered_json id_json(const eval::coco::ObjectId& id);

std::string coco_text(const eval::coco::CocoRecord& record, const eval::coco::EvaluationOptions& options);
// One line per category.
std::string coco_category_text(const eval::coco::CocoRecord& record);

// Intervals, comparison and errors: present or absent as the run has them. Keys "intervals", "comparison",
// "errors".
void add_analyses(nlohmann::ordered_json& json, const DetectionsRun& run);
std::string analyses_text(const DetectionsRun& run);

nlohmann::ordered_json explanation_json(const ExplainRun& run);
// The first `num_images` images, a line for each truth that one result alone found.
std::string explanation_text(const ExplainRun& run, std::size_t num_images);

}  // namespace assay::cli
