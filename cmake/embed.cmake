# cmake -DINPUT=<file> -DOUTPUT=<file.cc> -DFUNCTION=<namespaces::name> -DHEADER=<header that declares it> -P embed.cmake
# Writes a source file that defines std::string_view FUNCTION() over the bytes of INPUT; aligned as flatbuffers need.
# The assembler takes the bytes from the file, in no time whatever their number.
string(REGEX REPLACE "[^A-Za-z0-9]" "_" label "embedded_${FUNCTION}")
file(WRITE "${OUTPUT}" "#include \"${HEADER}\"
asm(R\"(
  .pushsection .rodata
  .balign 64
${label}:
  .incbin \"${INPUT}\"
${label}_end:
  .popsection
)\");
extern const char kBegin[] asm(\"${label}\");
extern const char kEnd[] asm(\"${label}_end\");
std::string_view ${FUNCTION}() { return {kBegin, static_cast<std::size_t>(kEnd - kBegin)}; }
")
