// assay scenes: pictures with known objects, drawn from a seed.
#include <fmt/format.h>

#include <charconv>

#include "cli/commands.h"
#include "cli/text.h"
#include "flow/write_scenes.h"

namespace assay::cli {
namespace {

struct Options {
  SceneRange range{1, 0, 100, {}};
  std::string size = "256x256";
  std::string folder, raw;
};

// "320x240". Errors: kInvalidArgument.
Result<scenes::Size> parse_size(const std::string& text) {
  scenes::Size size;
  const char* end = text.data() + text.size();
  const auto width = std::from_chars(text.data(), end, size.width);
  if (width.ec == std::errc() && width.ptr != end && *width.ptr == 'x') {
    const auto height = std::from_chars(width.ptr + 1, end, size.height);
    if (height.ec == std::errc() && height.ptr == end) return size;
  }
  return Error{ErrorCode::kInvalidArgument, "--size: expected WIDTHxHEIGHT such as 320x240, not " + text};
}

Status run(Options options, Session& session) {
  if (options.folder.empty() == options.raw.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "expected either -o DIR (pictures) or --raw FILE (pixels to train on)"};
  }
  ASSAY_TRY(options.range.size, parse_size(options.size));
  ASSAY_TRY(const ScenesReport report,
            options.raw.empty()
                ? write_scenes(options.range, options.folder, session.pool(), session.progress())
                : write_raw_scenes(options.range, options.raw, session.pool(), session.progress()));
  session.print(fmt::format("{} scenes with {} objects: {}, {}\n", options.range.count, report.objects,
                            printable(report.pictures.string()), printable(report.annotations.string())));
  return session.write_json({{"seed", options.range.seed},
                             {"first", options.range.first},
                             {"scenes", options.range.count},
                             {"width", options.range.size.width},
                             {"height", options.range.size.height},
                             {"objects", report.objects},
                             {"pictures", report.pictures.string()},
                             {"annotations", report.annotations.string()}});
}

}  // namespace

void add_scenes(CommandLine& line) {
  auto options = std::make_shared<Options>();
  CLI::App& command = line.add(
      "scenes", "Draw pictures with known objects on them, and write what is where in COCO's format.",
      "assay scenes -o scenes --count 200 --seed 7");
  command.add_option("-o,--out", options->folder, "folder for images/ and annotations.json")
      ->type_name("DIR");
  command.add_option("--raw", options->raw, "a file of raw pixels instead, with FILE.json beside it")
      ->type_name("FILE");
  command.add_option("--count", options->range.count, "how many [100]")
      ->type_name("N")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{10'000'000}).description(""));
  command.add_option("--seed", options->range.seed, "the same seed draws the same scenes [1]")
      ->type_name("S");
  command.add_option("--first", options->range.first, "number of the first scene [0]")->type_name("N");
  command.add_option("--size", options->size, "of each picture [256x256]")->type_name("WxH");
  line.on_run(command, [options](Session& session) { return run(*options, session); });
}

}  // namespace assay::cli
