// What the figures of a study allow to say, chosen by rules; docs/report.md has the rules for people.
#pragma once
#include <string>
#include <vector>

#include "report/study.h"

namespace assay::report {

struct Finding {
  std::string topic;                   // "detectors", "llms"
  std::string id;                      // "float16", "int8", "tradeoff", "breakdown", "speed"
  std::string variant;                 // that it is about; empty where it is about several
  std::string headline;                // a slide's title; plain
  std::vector<std::string> sentences;  // one per model, in the markup of markup.h
};

// "Lower" and "higher" only where verdict() says so; "faster" only where the interval of the speedup excludes
// 1 over more than one round. Everything else is "not distinguishable", or that it was not compared.
std::vector<Finding> detector_findings(const Study& study);
std::vector<Finding> llm_findings(const Study& study);

// The main points of one task, a sentence or two each, in markup.
std::vector<std::string> conclusions(const Study& study, store::Task task);

// The same in a few plain lines, for a slide.
std::vector<std::string> summary(const Study& study);

// What limits the study's conclusions, one sentence each, from the records: subsets, dequantized references,
// disturbed rounds, number of comparisons, failures.
std::vector<std::string> limits(const Study& study);

// A share of the reference's accuracy below which a quantization counts as broken.
inline constexpr double kBroken = 0.5;

}  // namespace assay::report
