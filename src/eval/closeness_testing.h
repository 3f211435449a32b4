// The comparator of the tests of this folder.
#pragma once
#include <gmock/gmock.h>

#include <cmath>

namespace assay::eval {

// |arg - expected| <= relative * |expected|; NaN never is. An expected 0 is met by 0 alone.
MATCHER_P2(IsRelativelyClose, expected, relative, "") {
  const double difference = std::abs(arg - expected);
  *result_listener << "which differs by " << difference;
  return difference <= relative * std::abs(expected);
}

}  // namespace assay::eval
