#include "eval/coco/warnings.h"

#include <algorithm>
#include <string_view>

namespace assay::eval::coco {

void Warnings::add(const char* what, std::int64_t record) {
  const auto same = [&](const Entry& entry) { return std::string_view(entry.what) == what; };
  const auto entry = std::find_if(entries_.begin(), entries_.end(), same);
  if (entry == entries_.end()) {
    entries_.push_back({what, 1, record});
  } else {
    ++entry->count;
  }
}

void Warnings::merge(const Warnings& later, std::int64_t records_before) {
  for (const Entry& entry : later.entries_) {
    add(entry.what, records_before + entry.first);
    for (Entry& own : entries_) {
      if (std::string_view(own.what) == entry.what) own.count += entry.count - 1;
    }
  }
}

std::vector<std::string> Warnings::lines(const std::string& noun) const {
  std::vector<std::string> lines;
  for (const Entry& entry : entries_) {
    lines.push_back(std::to_string(entry.count) + " " + noun + (entry.count == 1 ? " " : "s ") + entry.what +
                    " (the first is number " + std::to_string(entry.first) + ")");
  }
  return lines;
}

}  // namespace assay::eval::coco
