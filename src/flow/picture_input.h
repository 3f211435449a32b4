// From a picture to the inputs of a detector: its pixels and, where the model takes padded pictures, a mask beside them.
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "detect/families/processor.h"
#include "detect/heads/detector_card.h"
#include "detect/heads/head_kind.h"
#include "detect/litert/runner.h"
#include "image/preprocess.h"

namespace assay {

struct PreparedPicture {
  std::vector<std::vector<std::byte>> inputs;  // in the order of the model's
  Placement placement;
  int width = 0, height = 0;  // of the part of the input that the picture fills, which boxes are relative to
};

// Thread safe.
class PictureInput {
 public:
  PictureInput() = default;
  // What the head's family or, if the file has a card, that wants done. Errors: kUnsupported (not one picture, alone or
  // with a mask of it; elements that are no numbers).
  static Result<PictureInput> create(std::span<const litert::TensorDescription> inputs, detect::HeadKind head,
                                     const std::optional<detect::DetectorCard>& card);

  const InputSpec& spec() const { return spec_; }  // of the whole input
  bool is_float() const { return type_.dtype == DType::kF32; }

  // Errors: those of prepare_input.
  Result<PreparedPicture> prepare(const Image& picture) const;

 private:
  Result<PreparedPicture> prepare_padded(const Image& picture) const;

  InputSpec spec_;
  InputType type_;
  // Of models that take padded pictures: the sizes that their processor gives pictures.
  std::optional<detect::Processor> padded_;
};

// Hands the inputs to a runner of the model. Errors: those of Runner::set_input.
Status set_inputs(litert::Runner& runner, const PreparedPicture& picture);

}  // namespace assay
