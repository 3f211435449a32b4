// How figures look: templates/style.json.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "report/study.h"

namespace assay::report {

struct Mark {
  std::string color, shape;
  Json dash;  // lengths of strokes and gaps
};

// Pixels; the report shows a pixel as 0.75 pt, slides as 0.78 pt.
struct Profile {
  double width = 0;  // of a figure
  double row = 0;    // height of a row of a dot plot
  double rows = 0;   // of all rows of a figure together; above it they are made lower
  double plot = 0;   // height of a figure with two number axes
  double font = 0;
  double point = 0;  // area of a point
};

struct Style {
  std::string font, ink, faint, accent, heat;
  double tolerance = 0;  // share of the reference's accuracy, drawn as a second line
  Profile report, slide;
  std::map<std::string, Mark> variants;
  Mark other;

  const Mark& mark(const std::string& variant) const;

  // Errors: kInvalidArgument, naming the field that is missing or of the wrong type.
  static Result<Style> parse(std::string_view text);
};

}  // namespace assay::report
