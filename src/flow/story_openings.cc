#include "flow/story_openings.h"

#include <array>
#include <cstddef>
#include <string_view>

namespace assay {
namespace {

using std::string_view;

constexpr auto kNames = std::to_array<string_view>(
    {"Adam",  "Alice", "Amber", "Anna",    "Ben",    "Beth",   "Claire", "Cole",  "Daniel", "David",
     "Elena", "Emma",  "Eric",  "Gabriel", "Grace",  "Hannah", "Helen",  "Henry", "Ivy",    "Jack",
     "Jake",  "Julia", "Kai",   "Kate",    "Lena",   "Leo",    "Lily",   "Luke",  "Marcus", "Max",
     "Maya",  "Megan", "Mia",   "Michael", "Nathan", "Nora",   "Owen",   "Peter", "Rachel", "Rose",
     "Ruth",  "Ryan",  "Sam",   "Sarah",   "Simon",  "Tess",   "Tom",    "Tyler", "Victor", "Zoe"});
constexpr auto kPlaces = std::to_array<string_view>({"at a funeral",
                                                     "at a party",
                                                     "at a wedding",
                                                     "at an airport",
                                                     "at the beach",
                                                     "at the office",
                                                     "in a bar",
                                                     "in a burning house",
                                                     "in a car on an empty road",
                                                     "in a castle",
                                                     "in a cave",
                                                     "in a cemetery",
                                                     "in a courtroom",
                                                     "in a forest",
                                                     "in a hospital corridor",
                                                     "in a hotel room",
                                                     "in a library",
                                                     "in a prison cell",
                                                     "in a school",
                                                     "in a shop",
                                                     "in a small kitchen",
                                                     "in a village square",
                                                     "in an apartment in the city",
                                                     "in the desert",
                                                     "in the mountains in winter",
                                                     "on a battlefield",
                                                     "on a farm",
                                                     "on a ship",
                                                     "on a space station",
                                                     "on a train at night"});
constexpr auto kMeetings =
    std::to_array<string_view>({"followed", "hugged", "laughed at", "looked at", "nodded to", "pushed past",
                                "sat down beside", "shook hands with", "shouted at", "smiled at", "stared at",
                                "turned to", "waited for", "walked over to", "whispered to"});
constexpr auto kManners = std::to_array<string_view>(
    {"across the table", "and reached for the keys", "and said nothing", "and took a deep breath",
     "and tried to smile", "as the rain began to fall", "before closing the door", "for a long moment",
     "in the dark hallway", "while the others watched", "with tears in both eyes", "without a word"});
constexpr auto kWords = std::to_array<string_view>(
    {"\"Are you all right?\"", "\"Close the door,\"", "\"Did you hear that?\"", "\"Give me the map,\"",
     "\"He's not coming back,\"", "\"I don't believe you,\"", "\"I thought you were dead,\"",
     "\"It isn't what you think,\"", "\"Please don't go,\"", "\"Put the gun down,\"",
     "\"Tell me about her,\"", "\"We have to leave now,\"", "\"What do you want from me?\"",
     "\"Where have you been?\"", "\"You look tired,\"", "\"You should have told me,\""});
constexpr auto kVoices =
    std::to_array<string_view>({"asked", "demanded", "muttered", "replied", "said", "shouted", "whispered"});
constexpr auto kPersons = std::to_array<string_view>({"He", "I", "She", "They", "We"});
constexpr auto kActs = std::to_array<string_view>(
    {"could not stop thinking about", "drove all night to reach", "had never told anyone about",
     "opened the door and found", "picked up the phone and heard", "ran back to the house for",
     "sat at the bar with", "stood at the window and watched", "walked down the stairs to see",
     "woke up to"});
constexpr auto kThings = std::to_array<string_view>(
    {"a familiar voice", "a small box", "a stranger", "an old friend", "her brother", "my father", "the baby",
     "the broken glass", "the dog", "the empty room", "the letter", "the money", "the photograph",
     "the river", "the ship", "the soldiers"});

constexpr auto kForms = std::to_array<string_view>(
    {"Tell me a story", "Write a chapter of a novel", "Write a page from the middle of a novel",
     "Write a scene from a book", "Write a short story", "Write the beginning of a novel",
     "Write the last page of a novel"});
constexpr auto kSubjects = std::to_array<string_view>(
    {"a crime", "a family secret", "a first kiss", "a ghost", "a journey", "a lost child", "a marriage",
     "a murder", "a promise", "a quarrel", "a war", "growing up", "magic", "money", "old friends", "revenge",
     "strange creatures", "the future"});
constexpr auto kWishes = std::to_array<string_view>(
    {"Let them talk with each other.", "Let nobody say what they mean.", "Let the reader guess the end.",
     "Make it sad.", "Make it funny.", "Use simple words.", "Write it as a diary.",
     "Write it in the first person.", "Write mostly dialogue."});

template <std::size_t kCount>
string_view draw(const std::array<string_view, kCount>& words, Rng& rng) {
  return words[rng.below(kCount)];
}

std::string join(std::initializer_list<string_view> words) {
  std::string out;
  for (const string_view word : words) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out + '.';
}

}  // namespace

std::string draw_story_opening(Rng& rng) {
  // Drawn one after another: the order in which a call's arguments are computed is open.
  const auto form = rng.below(4);
  const auto name = draw(kNames, rng);
  if (form == 0) {
    const auto meeting = draw(kMeetings, rng), other = draw(kNames, rng), manner = draw(kManners, rng);
    return join({name, meeting, other, manner});
  }
  if (form == 1) {
    const auto words = draw(kWords, rng), voice = draw(kVoices, rng);
    return join({words, name, voice});
  }
  if (form == 2) {
    const auto person = draw(kPersons, rng), act = draw(kActs, rng), thing = draw(kThings, rng);
    return join({person, act, thing});
  }
  const auto other = draw(kNames, rng), place = draw(kPlaces, rng), words = draw(kWords, rng),
             voice = draw(kVoices, rng);
  return join({name, "and", other, "were", place}) + ' ' + join({words, name, voice});
}

std::string draw_story_request(Rng& rng) {
  const auto form = draw(kForms, rng), subject = draw(kSubjects, rng), name = draw(kNames, rng),
             other = draw(kNames, rng), place = draw(kPlaces, rng);
  const auto ending = rng.below(3);
  std::string request = ending == 0 ? join({form, "about", subject})
                                    : join({form, "about", subject, "with", name, "and", other, place});
  if (ending == 1) request += ' ' + std::string(draw(kWishes, rng));
  if (ending == 2) request += " It begins: " + draw_story_opening(rng);
  return request;
}

}  // namespace assay
