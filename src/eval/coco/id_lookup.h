// From ids in a result file to indices, fast where they are small integers. For the reader of results only.
#pragma once
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "eval/coco/object_id.h"

namespace assay::eval::coco {

// Thread safe once built.
class IdLookup {
 public:
  static constexpr std::int32_t kUnknown = -1;
  static constexpr std::int32_t kUnevaluated = -2;  // known, and never looked at

  void add(const ObjectId& id, std::int32_t index) { others_.emplace(id, index); }
  // After the last add(): COCO's own ids stay below a million, so a table of them beats hashing.
  void finish() {
    constexpr std::int64_t kTableSize = 1 << 20;
    std::int64_t size = 0;
    for (const auto& [id, index] : others_) {
      if (id.kind() == ObjectId::Kind::kInteger && id.integer() >= 0 && id.integer() < kTableSize)
        size = std::max(size, id.integer() + 1);
    }
    table_.assign(static_cast<std::size_t>(size), kUnknown);
    for (const auto& [id, index] : others_) {
      if (id.kind() == ObjectId::Kind::kInteger && id.integer() >= 0 && id.integer() < size)
        table_[static_cast<std::size_t>(id.integer())] = index;
    }
  }

  std::int32_t find(std::int64_t id) const {
    if (id >= 0 && static_cast<std::uint64_t>(id) < table_.size())
      return table_[static_cast<std::size_t>(id)];
    return find(ObjectId(id));
  }
  std::int32_t find(const ObjectId& id) const {
    const auto at = others_.find(id);
    return at == others_.end() ? kUnknown : at->second;
  }

 private:
  std::vector<std::int32_t> table_;
  std::unordered_map<ObjectId, std::int32_t, ObjectIdHash> others_;
};

}  // namespace assay::eval::coco
