"""llama.cpp out of PyPI's source package of llama-cpp-python: building it, making its files, timing it."""

import json
import shutil
import subprocess
import sys
import tarfile

from peers import paired_speed

VERSION = "0.3.36"
PACKAGE = f"llama_cpp_python-{VERSION}"
TARGETS = ("llama-bench", "llama-quantize", "llama-imatrix")
SSE_TO_AVX2 = ("SSE42", "AVX", "AVX2", "BMI2", "FMA", "F16C")
AVX512 = (*SSE_TO_AVX2, "AVX512")
VNNI = (*AVX512, "AVX512_VBMI", "AVX512_VNNI")
# What ggml is built with, by the name of assay's kernels for the same instructions; "native" is all that this machine has.
GGML_FLAGS = {"avx2": SSE_TO_AVX2, "avx512": AVX512, "avx512vnni": VNNI, "avx512bf16": (*VNNI, "AVX512_BF16")}
ALL_FLAGS = (*GGML_FLAGS["avx512bf16"], "AVX_VNNI", "AMX_TILE", "AMX_INT8", "AMX_BF16")
# Where the embedding is also the head, both are 8 bits wide here, as in assay's folders; the other tensors are llama.cpp's usual mix.
HEAD_TYPES = ("--token-embedding-type", "q8_0", "--output-tensor-type", "q8_0")


def source(folder):
    """llama.cpp's sources below `folder`, fetched where they are not there yet."""
    tree = folder / PACKAGE / "vendor" / "llama.cpp"
    if tree.exists():
        return tree
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{PACKAGE}.tar.gz"
    if not archive.exists():
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                        "--no-binary", "llama-cpp-python", "--dest", str(folder), f"llama-cpp-python=={VERSION}"], check=True)
    scratch = folder / "unpacking"
    shutil.rmtree(scratch, ignore_errors=True)
    with tarfile.open(archive) as file:
        file.extractall(scratch, filter="data")
    (scratch / PACKAGE).rename(folder / PACKAGE)
    scratch.rmdir()
    return tree


def isa_options(isa):
    if isa == "native":
        return ["-DGGML_NATIVE=ON"]
    on = GGML_FLAGS[isa]
    return ["-DGGML_NATIVE=OFF", *(f"-DGGML_{flag}={'ON' if flag in on else 'OFF'}" for flag in ALL_FLAGS)]


def build(folder, isa):
    """The folder of llama.cpp's programs for these instructions; built on the first call, going on where a build stopped."""
    tree = folder / f"build-{isa}"
    programs = tree / "bin"
    if not (tree / "complete").exists():
        subprocess.run(["cmake", "-S", str(source(folder)), "-B", str(tree), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                        "-DBUILD_SHARED_LIBS=OFF", "-DLLAMA_CURL=OFF", *isa_options(isa)], check=True, stdout=sys.stderr)
        subprocess.run(["nice", "cmake", "--build", str(tree), "--target", *TARGETS], check=True, stdout=sys.stderr)
        (tree / "complete").touch()
    return programs


def quantize(programs, f16, type_name, out, importance=None):
    """Makes `out` of this type from an F16 file (or F16 from a quantized one), whole or not at all. `importance`: a file of
    importance_matrix()."""
    if out.exists():
        return
    options = ["--allow-requantize"] if type_name == "F16" else [*HEAD_TYPES, *(["--imatrix", str(importance)] if importance else [])]
    scratch = out.with_name(out.name + ".partial")
    command = ["nice", str(programs / "llama-quantize"), *options, str(f16), str(scratch), type_name]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\nfailed:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    scratch.rename(out)


def importance_matrix(programs, model, text, context, out):
    """Makes `out` from a file of text, read in windows of `context` tokens, whole or not at all."""
    if out.exists():
        return
    scratch = out.with_name("partial-" + out.name)  # the ending tells llama-imatrix the format
    command = ["nice", str(programs / "llama-imatrix"), "-m", str(model), "-f", str(text), "-o", str(scratch), "-c", str(context), "--no-ppl",
               "--parse-special"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0 or not scratch.exists():
        raise SystemExit(f"{' '.join(command)}\nfailed:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    scratch.rename(out)


def parse_bench(text):
    """{tokens_per_second, read_bytes} of the one test that `llama-bench -o json` printed. All tensors of a model with a tied
    embedding are read for each token, so their bytes are those read."""
    rows = json.loads(text)
    if len(rows) != 1:
        raise ValueError(f"llama-bench printed {len(rows)} tests, expected 1")
    return {"tokens_per_second": rows[0]["avg_ts"], "read_bytes": rows[0]["model_size"]}


def sample(programs, model, test, threads):
    """One run of llama-bench ("pp512" or "tg128"), with a warm-up of its own, as paired_speed wants it."""
    number = test[2:]
    lengths = ["-p", number, "-n", "0"] if test.startswith("pp") else ["-p", "0", "-n", number]
    command = [str(programs / "llama-bench"), "-m", str(model), *lengths, "-r", "1", "-t", str(threads), "-o", "json"]
    text, seconds, share = paired_speed.watched_output(command)
    return {**parse_bench(text), "seconds": seconds, "other_cpu_share": share}
