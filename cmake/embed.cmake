# cmake -DINPUT=<file> -DOUTPUT=<file.cc> -DFUNCTION=<name> -P embed.cmake
# Writes a source file that defines std::string_view assay::cli::<FUNCTION>() over the bytes of INPUT.
file(READ "${INPUT}" bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE "${OUTPUT}" "#include \"cli/builtin_data.h\"
namespace assay::cli {
namespace {
constexpr unsigned char kBytes[] = {${bytes}0};
}  // namespace
std::string_view ${FUNCTION}() { return {reinterpret_cast<const char*>(kBytes), sizeof kBytes - 1}; }
}  // namespace assay::cli
")
