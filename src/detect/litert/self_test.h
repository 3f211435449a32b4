// The model of one operator that the library is tried with before any other model.
#pragma once
#include <string_view>

namespace assay::litert {

// models/litert/add_constant.tflite, made by tools/make_litert_goldens.py: output[i] = input[i] + (i + 1),
// one ADD on four floats. Valid for the life of the program.
std::string_view self_test_model();

}  // namespace assay::litert
