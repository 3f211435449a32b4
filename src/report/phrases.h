// Clauses about one variant, never stronger than its interval. All return markup.
#pragma once
#include <string>

#include "report/study.h"

namespace assay::report {

// What accuracy is called in a task.
struct Words {
  std::string quality;  // "AP", "accuracy"
  std::string counted;  // "pictures", "passages"
  std::string test;     // of the main speed: "inference", "generate"
  std::string doing;    // "inference", "generation"
};
Words words_of(store::Task task);

// "its AP is lower by 1.20 points (95 % interval 0.30 to 2.10, paired over 100 pictures)"; "" without a
// measurement.
std::string quality_clause(const Model& model, const Variant& variant);

enum class SpeedVerdict { kFaster, kSlower, kNotDistinguishable, kUnknown };
SpeedVerdict speed_verdict(const Speed& speed);
// "inference is 1.38 times as fast as with float32 (95 % interval 1.30 to 1.45, 5 rounds)"; "" without one.
std::string speed_clause(const Model& model, const Variant& variant, const std::string& test,
                         const std::string& doing);

// "3.0 times smaller (3.92 to 1.30 MB)"; "" without sizes.
std::string size_clause(const Model& model, const Variant& variant);

}  // namespace assay::report
