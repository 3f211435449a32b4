#include "cli/detector_options.h"

namespace assay::cli {

void add_detector_options(CLI::App& command, DetectorOptions& options) {
  const auto known_head = [](const std::string& text) {
    const auto head = detect::head_from_name(text);
    return head ? std::string() : head.error().message;
  };
  command
      .add_option("--head", options.head,
                  "the family of the model's outputs, of " + detect::head_names() + " [from their shapes]")
      ->type_name("NAME")
      ->check(CLI::Validator(known_head, ""));
  command
      .add_option("--classes", options.classes,
                  "what class numbers mean: COCO's 80, 90 or 91, or faces alone [from the head]")
      ->type_name("coco80|coco90|coco91|face")
      ->check(CLI::IsMember({"coco80", "coco90", "coco91", "face"}).description(""));
}

}  // namespace assay::cli
