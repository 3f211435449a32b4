#!/usr/bin/env python3
"""How fast Assay runs language models beside llama.cpp, in one interleaved run.

    bench/compare_llama_cpp.py [--assay build/release/assay] [--models smollm2-135m,llama-1b] [--types int8,int4] [--tests tg128,pp512]
        [--threads 1,2] [--rounds 5] [--isa native|avx2|...] [--json build/peers/speed.json]

Builds llama.cpp from PyPI's source package of llama-cpp-python, makes both tools' files of SmolLM2-135M and of a Llama-shaped model
of 1.07 thousand million random parameters, all once and below build/peers (20 GB; an hour on 2 cores), then runs `assay bench` and
llama-bench in turn. Matching types follow one another within minutes, in reverse order every other round. A sample during which
others had more than 4 % of the processors does not count and is taken again, --attempts times at most. Every sample is in FILE at
once; the same command goes on where it stopped, and --table FILE prints the tables of what is there.

Both have an 8-bit head wherever their weights are quantized; llama.cpp's other tensors are its usual mix for the type, which for
SmolLM2 means that its Q2_K is mostly Q4_0 and its Q4_K_M mostly Q5_0, for K-quants need rows of a multiple of 256. Assay's activations are rounded
to 8 bits where its kernels have that, as llama.cpp's always are.
"""

import argparse
import hashlib
import json
import os
import pathlib
import platform
import subprocess
import sys

from peers import assay_llm, llama_cpp, paired_speed, speed_table, torch_peers

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON_PACKAGES = ("numpy==2.4.6", "gguf==0.19.0")
SMOLLM2_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
MODELS = ("smollm2-135m", "llama-1b")
FLOATS = ("bfloat16", "float16")
DEFAULT_TYPES = ("bfloat16", "int8", "int4", "int3", "int2")


class Files:
    """The files of both tools below one folder, made when they are asked for."""

    def __init__(self, args, programs):
        self._args = args
        self._programs = programs
        self._llama = args.peers / "llama.cpp"
        self._models = args.peers / "models"

    def smollm2(self):
        folder = pathlib.Path(os.environ.get("ASSAY_MODELS_DIR", ROOT / "build" / "models"))
        if not (folder / SMOLLM2_FILE).exists():
            subprocess.run([str(self._args.assay), "fetch", "smollm2-135m"], check=True, env={**os.environ, "ASSAY_MODELS_DIR": str(folder)})
        return folder / SMOLLM2_FILE

    def of(self, model, tool, type_name):
        if tool == "assay":
            return self.assay(model, type_name)
        if tool == speed_table.LLAMA:
            return self.llama(model, type_name)
        # GPTQModel cannot read an 8-bit embedding.
        return self._checkpoint(model, type_name) if tool == "transformers" else self._quantized(model, type_name, f"{type_name}-for-gptqmodel")

    def assay(self, model, type_name):
        if type_name in FLOATS:
            return self._checkpoint(model, type_name)
        return self._quantized(model, type_name, f"{type_name}-g{self._group_size(model)}", ("--embeddings", "int8"))

    def _quantized(self, model, type_name, name, embedding=()):
        source = self.smollm2() if model == "smollm2-135m" else self._checkpoint(model, "bfloat16")
        out = self._models / model / name
        out.parent.mkdir(parents=True, exist_ok=True)
        assay_llm.quantize(self._args.assay, source, type_name, self._group_size(model), out, embedding)
        return out

    def llama(self, model, type_name):
        folder = self._models / model
        out = folder / f"{type_name}.gguf"
        if out.exists():
            return out
        if type_name != "F16":
            llama_cpp.quantize(self._programs, self.llama(model, "F16"), type_name, out)
        elif model == "smollm2-135m":
            folder.mkdir(parents=True, exist_ok=True)
            llama_cpp.quantize(self._programs, self.smollm2(), "F16", out)
        else:
            self._checkpoint(model, "bfloat16")
        return out

    def _group_size(self, model):
        return 64 if model == "smollm2-135m" else self._args.group_size  # 128 does not divide SmolLM2's rows of 576

    # A folder with unquantized weights; of random ones the GGUF file as well.
    def _checkpoint(self, model, dtype):
        out = self._models / model / dtype
        gguf = self._models / model / "F16.gguf"
        if out.exists() and (gguf.exists() or model == "smollm2-135m"):
            return out
        command = [str(self._python()), str(ROOT / "bench" / "peers" / "llm_checkpoints.py")]
        like = str(self.assay("smollm2-135m", "int8"))
        if model == "smollm2-135m":
            command += ["dequantize", str(self.smollm2()), like, str(out), "--dtype", dtype]
        else:
            command += ["random", str(self.smollm2()), like, str(out), "--dtype", dtype, "--gguf", str(gguf)]
        subprocess.run(["nice", *command], check=True)
        return out

    def _python(self):
        folder = self._llama / "python"
        if not (folder / "complete").exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *PYTHON_PACKAGES], check=True)
            (folder / "complete").touch()
        return folder / "bin" / "python"


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Record:
    """The samples so far, in a JSON file that is whole after each of them."""

    def __init__(self, path, identity):
        self._path = path
        self.identity = identity
        self.samples = []
        if path.exists():
            stored = json.loads(path.read_text())
            if stored["identity"] != identity:
                differing = [key for key in identity if stored["identity"].get(key) != identity[key]]
                raise SystemExit(f"{path}: its samples were made with another {' and '.join(differing)}; name another file or remove it")
            self.samples = stored["samples"]

    def add(self, sample):
        self.samples.append(sample)
        self.write()

    def write(self):
        text = json.dumps({"identity": self.identity, "samples": self.samples, "tables": speed_table.tables(self.samples)}, indent=1)
        scratch = self._path.with_name(self._path.name + ".partial")
        scratch.write_text(text + "\n")
        scratch.replace(self._path)

    def of(self, key):
        return [s for s in self.samples if (*paired_speed.cell_of(s), s["round"]) == key]


def contestants(args, model, type_name):
    """Assay's type and its matches, as (tool, type)."""
    theirs = next(theirs for ours, theirs, _ in speed_table.MATCHES if ours == type_name)
    python_peers = torch_peers.MATCHES.get(type_name, ()) if args.python_peers and model == "smollm2-135m" else ()
    return [("assay", type_name), *((speed_table.LLAMA, t) for t in theirs), *python_peers]


def cells(args):
    """(round, model, threads, test, assay's type, [(tool, type), ...]) in the order of the run."""
    for model in args.models:
        for number in range(args.rounds):
            for threads in args.threads:
                for test in args.tests:
                    for type_name in args.types:
                        group = contestants(args, model, type_name)
                        yield number, model, threads, test, type_name, group[::-1] if number % 2 else group


def take_samples(args, programs, files, record):
    def take(model, threads, test, tool, type_name):
        file = files.of(model, tool, type_name)
        if tool == "assay":
            return assay_llm.sample(args.assay, file, test, threads, args.isa)
        if tool == speed_table.LLAMA:
            return llama_cpp.sample(programs, file, test, threads)
        return torch_peers.sample(torch_peers.python(args.peers / "gptqmodel"), tool, type_name, file, test, threads)

    for number, model, threads, test, group_type, group in cells(args):
        for tool, type_name in group:
            key = (model, threads, test, tool, type_name, number)
            while True:
                before = record.of(key)
                if any(map(paired_speed.is_quiet, before)) or len(before) >= args.attempts:
                    break
                sample = take(model, threads, test, tool, type_name)
                record.add({**dict(zip((*paired_speed.CELL, "round"), key)), "against": group_type, **sample})
                print(f"{model}, {threads} threads, {test}, round {number + 1}: {tool} {type_name} {sample['tokens_per_second']:.1f} tokens/s, "
                      f"others {100 * sample['other_cpu_share']:.1f} %", file=sys.stderr, flush=True)


def names(text):
    return [name for name in text.split(",") if name]


def choice(known):
    def parse(text):
        for name in names(text):
            if name not in known:
                raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(known)}")
        return names(text)
    return parse


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assay", type=pathlib.Path, default=ROOT / "build" / "release" / "assay")
    parser.add_argument("--models", type=choice(MODELS), default=MODELS)
    parser.add_argument("--types", type=choice([ours for ours, _, _ in speed_table.MATCHES]), default=DEFAULT_TYPES,
                        help="assay's; llama.cpp's matches come along [%(default)s]")
    parser.add_argument("--tests", type=names, default=["tg128", "pp512"], help="tgN: generation of N tokens; ppN: a prompt of N [tg128,pp512]")
    parser.add_argument("--threads", type=lambda text: [int(n) for n in names(text)], default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--attempts", type=int, default=4, help="at a sample that others do not disturb [%(default)s]")
    parser.add_argument("--group-size", type=int, choices=(64, 128), default=64, help="of llama-1b; SmolLM2 has 64 [%(default)s]")
    parser.add_argument("--isa", choices=("native", *llama_cpp.GGML_FLAGS), default="native", help="instructions of both tools [%(default)s]")
    parser.add_argument("--python-peers", action="store_true", help="of SmolLM2 also transformers and GPTQModel, installed once (6 GB)")
    parser.add_argument("--peers", type=pathlib.Path, default=ROOT / "build" / "peers", help="keeps everything that is made")
    parser.add_argument("--llama-bin", type=pathlib.Path, help="a folder with llama-bench and llama-quantize, instead of building them")
    parser.add_argument("--json", type=pathlib.Path, help="samples and tables; goes on from what is there [PEERS/speed-ISA.json]")
    parser.add_argument("--table", type=pathlib.Path, metavar="FILE", help="print the tables of this file's samples, and nothing else")
    return parser.parse_args()


def main():
    args = parse_arguments()
    if args.table:
        print(*map(speed_table.table_text, speed_table.tables(json.loads(args.table.read_text())["samples"])), sep="\n")
        return
    args.peers = args.peers.resolve()
    args.peers.mkdir(parents=True, exist_ok=True)
    programs = args.llama_bin or llama_cpp.build(args.peers / "llama.cpp", args.isa)
    record = Record(args.json or args.peers / f"speed-{args.isa}.json",
                    {"assay": digest(args.assay), "llama.cpp": digest(programs / "llama-bench"), "package": llama_cpp.PACKAGE,
                     "processor": processor(), "isa": args.isa, "group_size": args.group_size})
    files = Files(args, programs)
    if args.python_peers:
        torch_peers.python(args.peers / "gptqmodel")
    # All files first, so that no sample runs beside or right after a quantization.
    for model in args.models:
        for type_name in args.types:
            for tool, name in contestants(args, model, type_name):
                files.of(model, tool, name)
    take_samples(args, programs, files, record)
    print(*map(speed_table.table_text, speed_table.tables(record.samples)), sep="\n")


if __name__ == "__main__":
    main()
