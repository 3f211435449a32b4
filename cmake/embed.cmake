# cmake -DINPUT=<file> -DOUTPUT=<file.cc> -DFUNCTION=<namespaces::name> -DHEADER=<header that declares it> -P embed.cmake
# Writes a source file that defines std::string_view FUNCTION() over the bytes of INPUT; aligned as flatbuffers need.
file(READ "${INPUT}" bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE "${OUTPUT}" "#include \"${HEADER}\"
namespace {
alignas(64) constexpr unsigned char kBytes[] = {${bytes}0};
}  // namespace
std::string_view ${FUNCTION}() { return {reinterpret_cast<const char*>(kBytes), sizeof kBytes - 1}; }
")
