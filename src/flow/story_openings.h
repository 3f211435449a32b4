// First sentences of stories that nobody has written, and requests for stories: what leads a language model
// to narrative text, of which it writes little where it begins with a random token.
#pragma once
#include <string>

#include "base/rng.h"

namespace assay {

// One or two English sentences, of some hundred thousand that names, places, words and moods make up.
std::string draw_story_opening(Rng& rng);

// What a person might ask for to be told a story: one to three English sentences without a line break.
std::string draw_story_request(Rng& rng);

}  // namespace assay
