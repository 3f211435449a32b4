#!/usr/bin/env python3
"""How good Assay's quantized language models are beside llama.cpp's of the same size, judged by one evaluator.

    bench/compare_llm_quality.py --calibration ids.json --held-out other.json --lambada lambada_test.jsonl
        [--assay build/release/assay] [--model smollm2-135m] [--llama-bin FOLDER] [--types Q2_K,Q4_K_M,...] [--variant NAME='OPTIONS' ...]
        [--limit N] [--work build/peers/quality] [--json build/peers/quality.json]

--calibration and --held-out are files of `assay generate --sequences`, whose ids Assay calibrates on; llama.cpp's importance matrix
(llama-imatrix) is made from the texts in the same file. Both sides start from the same weights: the model as an F16 GGUF file.
llama.cpp's files go back to F16 (llama-quantize --allow-requantize) where Assay cannot read a type, so that `assay eval` judges every model:
LAMBADA on --lambada, KL divergence to the F16 model and perplexity on --held-out. --held-out is not calibrated on, LAMBADA is seen by nothing.

Sizes are those of the tensors. The embedding has 8 bits on both sides (Assay --embeddings int8, llama.cpp q8_0), since it is most of a small
model. Every figure is in the JSON file at once, and the same command goes on where it stopped; files made earlier are used again, so remove
--work's folder of a variant whose options have changed. Without --llama-bin the programs are built as compare_llama_cpp.py does.
"""

import argparse
import json
import pathlib
import shlex
import subprocess
import sys

from peers import llama_cpp, quality_table

ROOT = pathlib.Path(__file__).resolve().parent.parent
TYPES = ("IQ2_XXS", "IQ2_M", "Q2_K", "IQ3_XXS", "Q3_K_M", "IQ4_XS", "Q4_0", "Q4_K_M", "Q8_0")
VARIANTS = {
    "int2 g64": "--to int2 --asym --group-size 64",
    "int2 g32": "--to int2 --asym --group-size 32",
    "int3 g64": "--to int3 --asym --group-size 64",
    "int4 g64": "--to int4 --asym --group-size 64",
    "int8 g64": "--to int8 --group-size 64",
}
def readable(type_name):
    """Whether every tensor of llama.cpp's mix of this name has a type that Assay reads. K mixes of models whose rows are no multiple of
    256 fall back to IQ4_NL, so only the plain types are certain."""
    return type_name in ("F16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1")


def run(command, **options):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if result.returncode != 0:
        raise SystemExit(f"{shlex.join(map(str, command))}\nfailed:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
    return result.stdout


class Comparison:
    def __init__(self, args):
        self._args = args
        self._programs = args.llama_bin or llama_cpp.build(args.peers / "llama.cpp", "native")
        args.work.mkdir(parents=True, exist_ok=True)
        self._record = quality_table.Record(args.json, {
            "model": args.model, "calibration": str(args.calibration), "held_out": str(args.held_out), "lambada": str(args.lambada), "limit": args.limit})

    def float_file(self):
        out = self._args.work / "F16.gguf"
        if not out.exists():
            source = json.loads(run([self._args.assay, "inspect", self._args.model, "--json", "-"]))["model"]
            llama_cpp.quantize(self._programs, source, "F16", out)
        return out

    def importance(self):
        out = self._args.work / "imatrix.gguf"
        if not out.exists():
            text = self._args.work / "calibration.txt"
            text.write_text("\n".join(json.loads(self._args.calibration.read_text())["texts"]))
            llama_cpp.importance_matrix(self._programs, self.float_file(), text, self._args.context, out)
        return out

    def of_llama(self, type_name):
        """(the file of this type, one of the same values that Assay reads)."""
        out = self._args.work / f"{type_name}.gguf"
        importance = None if type_name == "Q8_0" else self.importance()
        llama_cpp.quantize(self._programs, self.float_file(), type_name, out, importance)
        if readable(type_name):
            return out, out
        values = self._args.work / f"{type_name}-as-F16.gguf"
        llama_cpp.quantize(self._programs, out, "F16", values)
        return out, values

    def of_assay(self, name, options):
        out = self._args.work / name.replace(" ", "-")
        if not out.exists():
            samples = len(json.loads(self._args.calibration.read_text())["samples"])
            run(["nice", self._args.assay, "quantize", self.float_file(), *shlex.split(options), "--embeddings", "int8", "--calibration",
                 self._args.calibration, "--samples", samples, "--quiet", "-o", out])
        return out

    def tensor_bytes(self, path):
        return json.loads(run([self._args.assay, "inspect", path, "--json", "-"]))["tensor_bytes"]

    def evaluate(self, tool, name, make, size_of):
        if self._record.has(tool, name):
            return
        path, values = make()
        assay, quiet = self._args.assay, ["--quiet", "--json", "-"]
        limit = ["--limit", self._args.limit] if self._args.limit else []
        held_out = len(json.loads(self._args.held_out.read_text())["samples"])
        kl = json.loads(run([assay, "eval", "kl", values, "--reference", self.float_file(), "--data", self._args.held_out, "--samples", held_out, *quiet]))
        lambada = json.loads(run([assay, "eval", "lambada", values, "--data", self._args.lambada, *limit, *quiet]))
        self._record.add({"tool": tool, "name": name, "bytes": size_of(path), **{key: kl[key] for key in quality_table.KL_KEYS},
                          "lambada": {key: lambada[key] for key in quality_table.LAMBADA_KEYS}})

    def run(self):
        float_file = self.float_file()
        # Headers of the files of one model differ by a few bytes.
        header = float_file.stat().st_size - self.tensor_bytes(float_file)
        self.evaluate("float", "F16", lambda: (float_file, float_file), self.tensor_bytes)
        for type_name in self._args.types:
            self.evaluate("llama.cpp", type_name, lambda: self.of_llama(type_name), lambda path: path.stat().st_size - header)
        for name, options in self._args.variants.items():
            self.evaluate("Assay", name, lambda: (self.of_assay(name, options),) * 2, self.tensor_bytes)
        print(quality_table.markdown(self._record.rows))


def variant(text):
    name, separator, options = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=OPTIONS")
    return name, options


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--assay", type=pathlib.Path, default=ROOT / "build" / "release" / "assay")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--calibration", type=pathlib.Path, required=True)
    parser.add_argument("--held-out", type=pathlib.Path, required=True)
    parser.add_argument("--lambada", type=pathlib.Path, required=True)
    parser.add_argument("--limit", type=int, default=0, help="passages of LAMBADA; 0: all")
    parser.add_argument("--context", type=int, default=256, help="tokens that llama-imatrix reads at once")
    parser.add_argument("--llama-bin", type=pathlib.Path, help="a folder with llama-quantize and llama-imatrix")
    parser.add_argument("--types", type=lambda text: [word for word in text.split(",") if word], default=list(TYPES))
    parser.add_argument("--variant", type=variant, action="append", help="of Assay, instead of those built in")
    parser.add_argument("--peers", type=pathlib.Path, default=ROOT / "build" / "peers")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "peers" / "quality")
    parser.add_argument("--json", type=pathlib.Path, default=ROOT / "build" / "peers" / "quality.json")
    args = parser.parse_args(words)
    args.variants = dict(args.variant) if args.variant else VARIANTS
    return args


if __name__ == "__main__":
    Comparison(parse(sys.argv[1:])).run()
