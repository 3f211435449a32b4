// Runs graphs that tests have built.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "detect/graph/graph_builder.h"
#include "detect/litert/runner.h"
#include "support/testing.h"

namespace assay::detect {

// The values of the outputs by name; empty, with a failure, where the model cannot be run.
inline std::map<std::string, std::vector<float>> run(const tflite::Model& model,
                                                     const std::vector<std::vector<float>>& inputs) {
  std::map<std::string, std::vector<float>> outputs;
  const auto bytes = tflite::write(model);
  EXPECT_THAT(bytes, IsOk());
  const auto library = litert::Library::open();
  EXPECT_THAT(library, IsOk());
  if (!bytes || !library) return outputs;
  auto runner = litert::Runner::from_bytes(*library, *bytes, {});
  EXPECT_THAT(runner, IsOk());
  if (!runner) return outputs;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    EXPECT_THAT(runner->set_input(i, std::as_bytes(std::span(inputs[i]))), IsOk());
  EXPECT_THAT(runner->invoke(), IsOk());
  for (std::size_t i = 0; i < runner->outputs().size(); ++i) {
    auto& output = outputs[runner->outputs()[i].name];
    output.resize(runner->outputs()[i].num_bytes() / sizeof(float));
    EXPECT_THAT(runner->read_output(i, std::as_writable_bytes(std::span(output))), IsOk());
  }
  return outputs;
}

// Of a graph that is finished with this one output.
inline std::vector<float> run(GraphBuilder& graph, Value output,
                              const std::vector<std::vector<float>>& inputs) {
  graph.output("output", output);
  const auto model = graph.finish("test", {});
  EXPECT_THAT(model, IsOk());
  return model ? run(*model, inputs)["output"] : std::vector<float>();
}

}  // namespace assay::detect
