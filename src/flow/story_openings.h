// First sentences of stories that nobody has written: what leads a language model to narrative text, of which
// it writes little where it begins with a random token.
#pragma once
#include <string>

#include "base/rng.h"

namespace assay {

// One or two English sentences, of some hundred thousand that names, places, words and moods make up.
std::string draw_story_opening(Rng& rng);

}  // namespace assay
