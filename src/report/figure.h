// A figure: what it shows, the numbers in it, and a Vega-Lite specification that draws them.
#pragma once
#include <string>
#include <vector>

#include "report/study.h"
#include "report/style.h"

namespace assay::report {

struct Figure {
  // Pictures beside each other instead of a plot: detections drawn on an image.
  struct Picture {
    std::string path;  // relative to the study's folder
    std::string label;
  };

  std::string id;          // file name and name in the templates
  std::string title;       // short, neutral: what is plotted
  std::string caption;     // with n and what the bars mean
  std::string alt;         // for those who don't see it: form, axes and the main figures
  Json spec;               // as the report shows it; null for pictures
  Json slide_spec;         // the same with the slide's sizes
  std::vector<Json> rows;  // the data, one object each with the same keys
  std::vector<Picture> pictures;
};

// With a header line, as RFC 4180 wants it. An empty text for no rows.
std::string to_csv(const std::vector<Json>& rows);

}  // namespace assay::report
