// The tensors of a checkpoint as the constants of a graph, with a list of what does not fit.
#pragma once
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "detect/graph/graph_builder.h"
#include "formats/tensor_view.h"

namespace assay::detect {

using TensorMap = std::map<std::string, TensorView, std::less<>>;

// A tensor that is missing, or has another shape or type than asked for, is noted and gives no data; finish()
// reports them all. After the first failure of the graph nothing is noted, since shapes that are asked for
// then come from nowhere. Borrows both: `tensors` must outlive it and what it gives. Not thread safe.
class CheckpointWeights {
 public:
  CheckpointWeights(const TensorMap& tensors, const GraphBuilder& graph) : tensors_(tensors), graph_(graph) {}

  bool has(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }
  // The first of `names` that there is; the first of all where there is none.
  std::string first_of(const std::vector<std::string>& names) const;
  // Empty for a tensor that does not exist.
  std::vector<std::int64_t> shape(std::string_view name) const;

  // Float32, row-major: the file's own bytes where they are that already, a copy otherwise.
  tflite::Data data(const std::string& name, const Shape& shape);
  std::vector<float> floats(const std::string& name, const Shape& shape);
  // Notes a tensor whose values cannot be used: "has ...".
  void reject(const std::string& name, std::string_view why);
  // Tensors that a checkpoint may have and the graph does not need: those with this in their names.
  void ignore(std::string part) { ignored_.push_back(std::move(part)); }

  // Errors: kCorrupt, naming what is missing, has another shape, or nobody asked for; that of the graph,
  // where it came first.
  Status finish() const;

 private:
  const TensorView* find(const std::string& name, const Shape& shape);

  const TensorMap& tensors_;
  const GraphBuilder& graph_;
  std::set<std::string, std::less<>> used_;
  std::vector<std::string> ignored_;
  std::vector<std::string> missing_, wrong_;
};

}  // namespace assay::detect
