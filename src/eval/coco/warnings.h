// What pycocotools takes in silence although it makes no sense: counted, so that a million of them are one
// line.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace assay::eval::coco {

// Not thread safe; threads collect their own and merge.
class Warnings {
 public:
  // `what`, a literal, completes "N records ...". `record` counts from 1.
  void add(const char* what, std::int64_t record);
  // Those of a later part of the same file, whose records were counted from 1 behind `records_before` others.
  void merge(const Warnings& later, std::int64_t records_before);
  // "3 detections have a score that is NaN (the first is number 17)"; `noun` is "detection".
  std::vector<std::string> lines(const std::string& noun) const;

 private:
  struct Entry {
    const char* what;
    std::int64_t count;
    std::int64_t first;
  };
  std::vector<Entry> entries_;
};

}  // namespace assay::eval::coco
