// Small models for tests, built tensor by tensor.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "formats/tflite/model.h"

namespace assay::tflite {

// A graph under construction. Every call returns the index of what it added.
class ModelBuilder {
 public:
  ModelBuilder() {
    model_.buffers.emplace_back();
    model_.subgraphs.emplace_back();
    model_.description = "test";
  }

  int input(std::string name, std::vector<std::int32_t> shape) {
    const int index = tensor(std::move(name), std::move(shape), TensorType::kFloat32);
    model_.main().inputs.push_back(index);
    return index;
  }
  int tensor(std::string name, std::vector<std::int32_t> shape, TensorType type = TensorType::kFloat32) {
    Tensor added;
    added.name = std::move(name);
    added.shape = std::move(shape);
    added.type = type;
    model_.main().tensors.push_back(std::move(added));
    return static_cast<int>(model_.main().tensors.size()) - 1;
  }
  template <typename T>
  int constant(std::string name, std::vector<std::int32_t> shape, const std::vector<T>& values,
               TensorType type) {
    const int index = tensor(std::move(name), std::move(shape), type);
    model_.set_data(model_.main().tensors.back(), Data::own_values(values));
    return index;
  }
  int weights(std::string name, std::vector<std::int32_t> shape, const std::vector<float>& values) {
    return constant(std::move(name), std::move(shape), values, TensorType::kFloat32);
  }
  Operator& add(Op op, std::vector<std::int32_t> inputs, std::vector<std::int32_t> outputs,
                const char* options = nullptr) {
    Operator added;
    added.op = op;
    added.inputs = std::move(inputs);
    added.outputs = std::move(outputs);
    if (options != nullptr) added.options = Object::make(options);
    model_.main().operators.push_back(std::move(added));
    return model_.main().operators.back();
  }
  void output(int tensor) { model_.main().outputs.push_back(tensor); }
  // "serving_default" over the inputs and outputs so far.
  void sign() {
    Signature signature;
    signature.key = "serving_default";
    for (const int t : model_.main().inputs) signature.inputs.push_back(named(t));
    for (const int t : model_.main().outputs) signature.outputs.push_back(named(t));
    model_.signatures.push_back(std::move(signature));
  }
  Model& model() { return model_; }

 private:
  TensorName named(int tensor) const {
    return {model_.main().tensors[static_cast<std::size_t>(tensor)].name, static_cast<std::uint32_t>(tensor)};
  }
  Model model_;
};

// y = conv(x) with 2 filters of 3x3 over 1 channel, and a custom operator after it.
inline ModelBuilder small_conv() {
  ModelBuilder b;
  const int x = b.input("x", {1, 4, 4, 1});
  std::vector<float> filter(18);
  for (std::size_t i = 0; i < filter.size(); ++i) filter[i] = 0.1f * static_cast<float>(i) - 0.9f;
  const int w = b.weights("w", {2, 3, 3, 1}, filter);
  const int bias = b.weights("b", {2}, {0.5f, -0.5f});
  const int y = b.tensor("y", {1, 4, 4, 2});
  Operator& conv = b.add(Op::kConv2d, {x, w, bias}, {y}, "Conv2DOptions");
  conv.options.set_integer("stride_w", 1);
  conv.options.set_integer("stride_h", 1);
  b.output(y);
  b.sign();
  return b;
}

}  // namespace assay::tflite
