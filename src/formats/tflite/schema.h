// The tables of the .tflite schema: what stands in which slot. Generic, so that what this program does not
// understand is still read, checked and written back whole.
// Source: the schema that LiteRT publishes, taken over by tools/make_tflite_schema.py.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tflite/operators.h"

namespace assay::tflite {

enum class FieldKind { kScalar, kString, kTable, kUnion, kScalars, kStrings, kTables };

struct FieldInfo {
  std::string_view name;
  FieldKind kind = FieldKind::kScalar;
  char scalar = 'i';             // 'i', 'u', 'f' or 'b'; of kScalar and kScalars
  std::size_t scalar_bytes = 0;  // of kScalar and kScalars
  std::size_t align = 4;         // of a vector's elements in the file
  double default_value = 0;      // of kScalar, where the file has nothing
  std::string_view target;       // the table of kTable and kTables, the union of kUnion
};

// A table type. A union's slot is preceded by the slot that says which member it is.
struct TableInfo {
  std::string_view name;
  std::vector<FieldInfo> fields;  // by slot

  // The slot of that name. REQUIRES: the table has it.
  std::size_t slot(std::string_view field) const;
};

// Nothing when the schema has no table of that name. What it points to lives as long as the program. Thread
// safe.
const TableInfo* find_table(std::string_view name);

// The table that is member `number` of a union. Nothing when there is none.
const TableInfo* union_member(std::string_view union_name, std::uint64_t number);
// The inverse. REQUIRES: `table` is a member.
std::uint64_t union_number(std::string_view union_name, const TableInfo& table);

// "CONV_2D", "FLOAT32"; "operator 999", "type 99" where the schema has no such number.
std::string name_of(Op op);
std::string name_of(TensorType type);

// The generated description that the above is made from.
std::string_view schema_text();

}  // namespace assay::tflite
