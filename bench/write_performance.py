#!/usr/bin/env python3
"""Writes docs/performance.md: how fast language models run here, and where the time goes.

    bench/write_performance.py [--assay build/release/assay] [--kernels-bench build/bench/bench/kernels_bench] [--models smollm2-135m,llama-1b]
        [--types bfloat16,int8,int4,int2] [-p 512] [-n 128] [-r 5] [-t 1,2] [--speed build/peers/speed-native.json] [--lambada FILE]
        [--before FILE] [--json build/peers/performance.json] [--from FILE] [-o docs/performance.md]

Runs `assay bench --operators` on every model and type that bench/compare_llama_cpp.py has made below build/peers/models, then
kernels_bench, and keeps what they said in --json. The tables beside llama.cpp come from what bench/compare_llama_cpp.py wrote (--speed), those
of LAMBADA from bench/compare_lambada_speed.py (--lambada); a section whose file is not there says so. --before is an earlier --json, whose times
stand beside the new ones. --from writes the page from a --json again and runs nothing.
"""

import argparse
import datetime
import json
import pathlib
import subprocess
import sys

from peers import paired_speed, performance_tables as tables, speed_table

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXPLANATIONS = pathlib.Path(__file__).resolve().parent / "peers" / "performance_explained.md"
# Bytes and floats, small and large layers; all formats and shapes would take an hour.
KERNELS_FILTER = "^machine|^linear/(BF16|group8|group4|group2)/(1536x576|2048x8192)/"


def model_folder(models, model, type_name):
    return models / model / (type_name if type_name in tables.FLOAT_TYPES else f"{type_name}-g64")


def bench_run(args, model, type_name):
    """One `assay bench` of one model, as performance_tables wants it."""
    command = [str(args.assay), "bench", str(model_folder(args.folder, model, type_name)), "-p", str(args.prompt_tokens), "-n",
               str(args.generated_tokens), "-r", str(args.repetitions), "-t", args.threads, "--activations", "rounded", "--operators",
               "--json", "-"]
    text, seconds, share = paired_speed.watched_output(command)
    print(f"{model} {type_name}: {seconds:.0f} s, others {100 * share:.1f} %", file=sys.stderr, flush=True)
    return {"model": model, "type": type_name, "other_cpu_share": share, "rows": json.loads(text)}


def kernels_run(args):
    text, seconds, share = paired_speed.watched_output(
        [str(args.kernels_bench), f"--benchmark_filter={args.kernels_filter}", "--benchmark_format=json"])
    print(f"kernels_bench: {seconds:.0f} s, others {100 * share:.1f} %", file=sys.stderr, flush=True)
    return {**json.loads(text), "other_cpu_share": share}


def commit():
    found = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def measure(args, save):
    """Everything in turn; save(record) after each, so that a run that fails late loses nothing."""
    record = {"date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(), "commit": commit(), "runs": [], "kernels": None}
    for model in args.models:
        for type_name in args.types:
            if model_folder(args.folder, model, type_name).exists():
                record["runs"].append(bench_run(args, model, type_name))
                save(record)
            else:
                print(f"{model} {type_name}: not in {args.folder}; bench/compare_llama_cpp.py makes it", file=sys.stderr)
    if args.kernels_bench.exists():
        record["kernels"] = kernels_run(args)
        save(record)
    return record


def machine_section(record, peaks):
    lines = [f"Measured on {record['date']}" + (f", at {record['commit']}" if record["commit"] else "") + ".", ""]
    environment = record["runs"][0]["rows"][0]["environment"] if record["runs"] else {}
    facts = [("processor", environment.get("cpu_model")), ("usable processors", environment.get("usable_cpus")),
             ("kernels", environment.get("kernels")), ("compiler", environment.get("compiler")), ("version", environment.get("version"))]
    if environment.get("memory_total_bytes"):
        facts.append(("memory", f"{environment['memory_total_bytes'] / 2**30:.1f} GiB"))
    for threads, spread in tables.bandwidths(record["runs"]).items():
        facts.append((f"read bandwidth, {threads} thread{'s' if threads > 1 else ''}",
                      f"{spread['median'] / 1e9:.1f} GB/s ({spread['min'] / 1e9:.1f} to {spread['max'] / 1e9:.1f}, {spread['count']} runs)"))
    for key, name in (("bytes", "multiply-adds of bytes"), ("floats", "multiply-adds of floats")):
        facts.append((f"{name}, one thread", f"{peaks[key] / 1e9:.1f} G/s (best)" if peaks and peaks[key] else "not measured"))
    lines.append(tables.markdown(("", ""), [(name, value) for name, value in facts if value is not None]))
    return "\n".join(lines)


def speed_section(speed):
    if speed is None:
        return "Not measured: no file of bench/compare_llama_cpp.py was given or found.\n"
    compared = speed_table.tables(speed["samples"])
    met, missed, unknown = tables.target_summary(compared)
    head = (f"Both tools ran in turn on {speed['identity']['processor']}, {speed['identity']['package']}. Of {met + missed + unknown} targets "
            f"{met} are met, {missed} are not" + (f", {unknown} have no pair of quiet samples" if unknown else "") + ". A ratio is of "
            "samples of the same round; the tables tell median and extremes.\n")
    return "\n".join([head, *map(speed_table.table_text, compared)])


def operations_section(record, before, peaks):
    if not record["runs"]:
        return "Not measured.\n"
    parts = ["Each table is one run of its own after the timed runs. Times are per token. The bound is the least time that bytes take at the "
             "measured bandwidth and multiply-adds at the measured peak, whichever is more; caches can make small operations faster than the "
             "bandwidth of memory.\n"]
    for run in record["runs"]:
        for row in run["rows"]:
            earlier = tables.find_row(before["runs"], run["model"], run["type"], row["test"], row["threads"]) if before else None
            plural = "s" if row["threads"] > 1 else ""
            parts.append(f"### {run['model']}, {run['type']}, {row['test']}, {row['threads']} thread{plural}\n\n"
                         f"{tables.speed_text(row)} tokens/s in {len(row['seconds'])} timed runs. The profiled run took "
                         f"{row['operators']['relative_to_timed_median']:.2f} of their median time.\n\n"
                         + tables.operations_table(row, run["type"], peaks, earlier))
    return "\n".join(parts)


def overhead_section(record):
    model = tables.smallest_model(record["runs"])
    if model is None:
        return "Not measured.\n"
    return (f"Generation with {model}. Rest is time that no operation took. Meetings are inside of the operations: their number per token times "
            f"what a meeting with nothing to do takes.\n\n" + tables.overhead_table(record["runs"], model))


def kernels_section(kernels):
    if not kernels:
        return "Not measured: kernels_bench was not built.\n"
    return (f"`kernels_bench`: the best of the calls; the share of the peak is the median over calls, each beside what the processor did then. Others "
            f"had {100 * kernels['other_cpu_share']:.1f} % of the processors.\n\n" + tables.kernels_table(kernels))


def page(record, speed=None, lambada=None, before=None):
    """The whole of docs/performance.md."""
    peaks = tables.peaks_of(record["kernels"])
    lambada_part = tables.lambada_text(lambada) if lambada else "Not measured: no file of bench/compare_lambada_speed.py was given or found.\n"
    sections = [("The machine", machine_section(record, peaks)), ("Speed", tables.speeds_table(record["runs"])),
                ("Beside llama.cpp", speed_section(speed)), ("LAMBADA beside transformers", lambada_part),
                ("Where the time goes", operations_section(record, before, peaks)), ("Overhead of a small model", overhead_section(record)),
                ("Kernels alone", kernels_section(record["kernels"]))]
    if before:
        sections[4] = (sections[4][0], f"Before: {before['date']}" + (f", at {before['commit']}" if before["commit"] else "") + ".\n\n"
                       + sections[4][1])
    head = ("# Performance of language models\n\n`bench/write_performance.py` wrote this page; every figure comes from the programs named. "
            "\"Other load\" is the share of the processors that others had meanwhile; a run with much of it is slower than the machine is.\n")
    return "\n".join([head, *(f"## {title}\n\n{text}" for title, text in sections), EXPLANATIONS.read_text()])


def read_json(path):
    return json.loads(path.read_text()) if path and path.exists() else None


def names(text):
    return [name for name in text.split(",") if name]


def parse_arguments():
    peers = ROOT / "build" / "peers"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assay", type=pathlib.Path, default=ROOT / "build" / "release" / "assay")
    parser.add_argument("--kernels-bench", type=pathlib.Path, default=ROOT / "build" / "bench" / "bench" / "kernels_bench")
    parser.add_argument("--kernels-filter", default=KERNELS_FILTER, help="which of its benchmarks [%(default)s]")
    parser.add_argument("--folder", type=pathlib.Path, default=peers / "models", help="of models [%(default)s]")
    parser.add_argument("--models", type=names, default=["smollm2-135m", "llama-1b"])
    parser.add_argument("--types", type=names, default=["bfloat16", "int8", "int4", "int2"])
    parser.add_argument("-p", "--prompt-tokens", type=int, default=512)
    parser.add_argument("-n", "--generated-tokens", type=int, default=128)
    parser.add_argument("-r", "--repetitions", type=int, default=5)
    parser.add_argument("-t", "--threads", default="1,2", help="numbers of threads [%(default)s]")
    parser.add_argument("--speed", type=pathlib.Path, default=peers / "speed-native.json", help="of bench/compare_llama_cpp.py [%(default)s]")
    parser.add_argument("--lambada", type=pathlib.Path, default=peers / "lambada-speed.json", help="of bench/compare_lambada_speed.py [%(default)s]")
    parser.add_argument("--before", type=pathlib.Path, help="an earlier --json, to compare with")
    parser.add_argument("--json", type=pathlib.Path, default=peers / "performance.json", help="keeps what was measured [%(default)s]")
    parser.add_argument("--from", dest="source", type=pathlib.Path, help="write the page of this file; run nothing")
    parser.add_argument("-o", "--output", type=pathlib.Path, default=ROOT / "docs" / "performance.md")
    return parser.parse_args()


def main():
    args = parse_arguments()
    for path in (args.source, args.before):
        if path and not path.exists():
            raise SystemExit(f"{path}: no such file")
    before = read_json(args.before)  # first, for it may be the file that is written now
    if args.source:
        record = read_json(args.source)
    else:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        record = measure(args, lambda so_far: args.json.write_text(json.dumps(so_far, indent=1) + "\n"))
    args.output.write_text(page(record, read_json(args.speed), read_json(args.lambada), before))


if __name__ == "__main__":
    main()
