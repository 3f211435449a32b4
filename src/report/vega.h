// The parts of Vega-Lite specifications that all figures share.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "report/figure.h"

namespace assay::report {

// $schema, background and config (fonts, axes, legends); `alt` becomes the description.
Json base_spec(const Style& style, const Profile& profile, const std::string& alt);

struct Axis {
  std::string title;
  bool logarithmic = false;
  bool from_zero = false;
  std::string format;  // of d3; empty: as short as possible
  double most = 0;     // ticks above it make no sense (percent); 0: no such bound
};

// An x or y channel over [low, high] widened by the shares given. REQUIRES: low <= high; low > 0 for a
// logarithmic axis.
struct Range {
  double low = 0;
  double high = 1;
};
Range widen(Range range, bool logarithmic, double below, double above);
Json channel(const std::string& field, const Axis& axis, const Range& range);

// About `count` round numbers within the range: 1, 2, 5 times powers of ten. Fewer where the range is narrow.
std::vector<double> log_ticks(const Range& range);

// Colour and shape by the field "variant"; the same for a variant in every figure.
void add_variant_channels(Json& encoding, const std::vector<std::string>& variants, const Style& style,
                          bool with_shape, Json legend);

// Panels beside each other by the field "panel" in the order given, `columns` in a row.
Json panel_facet(const std::vector<std::string>& panels, const Profile& profile, int columns);
int panel_columns(std::size_t panels);
// Height of one of `rows` rows in each of `panels` panels.
double row_height(const Profile& profile, std::size_t panels, std::size_t rows);
// Of each panel's inside, when a label column of `labels` characters stands left of it.
double panel_width(const Profile& profile, int columns, std::size_t label_characters);

// A name in lines of at most `limit` characters, broken after "/", "-", "_" or a space where there is one.
std::string broken_label(const std::string& name, std::size_t limit);

// As Vega wants the text of a title.
Json split_lines(const std::string& text);

// Variants of the models, in order of first appearance.
std::vector<std::string> variants_of(const std::vector<Model>& models);

// A point of a variant, filled, with an outline so that it stands out from lines; `size` in square pixels.
Json point_mark(const Style& style, double size);

// The rows of a dot plot by the names in `field`, in the order given, each on a line of the grid.
Json ruled_rows(const char* field, const std::vector<std::string>& names);

}  // namespace assay::report
