"""Assay's side of comparisons of speed with language models: its folders, and one run of `assay bench`."""

import json
import subprocess

from peers import paired_speed


def quantize(assay, source, type_name, group_size, out, embedding=()):
    """Makes the folder `out` ("int8" to "int2") by rounding to the nearest, which runs as fast as GPTQ's. `embedding` are options for
    embedding and head."""
    if out.exists():
        return
    subprocess.run(["nice", str(assay), "quantize", str(source), "--to", type_name, "--method", "rtn", "--sym", "--group-size", str(group_size),
                    *embedding, "--quiet", "-o", str(out)], check=True, stdout=subprocess.DEVNULL)


def parse_bench(text):
    """Of the one test that `assay bench --json -` printed: tokens_per_second, read_bytes per token, the machine's read bandwidth in
    bytes per second (None where it was not measured), kernels and activations."""
    rows = json.loads(text)
    if len(rows) != 1:
        raise ValueError(f"assay bench printed {len(rows)} tests, expected 1")
    row = rows[0]
    return {"tokens_per_second": row["tokens_per_second"], "read_bytes": row["read_per_token_bytes"],
            "bandwidth": row.get("bandwidth_bytes_per_second"), "kernels": row["environment"]["kernels"], "activations": row["activations"]}


def sample(assay, model, test, threads, isa):
    """One run of `assay bench` ("pp512" or "tg128"), with a warm-up of its own, as paired_speed wants it."""
    number = test[2:]
    lengths = ["-p", number, "-n", "0"] if test.startswith("pp") else ["-p", "0", "-n", number]
    kernels = [] if isa == "native" else ["--kernels", isa]
    command = [str(assay), "bench", str(model), *lengths, "-r", "1", "-t", str(threads), "--activations", "rounded", *kernels, "--json", "-"]
    text, seconds, share = paired_speed.watched_output(command)
    return {**parse_bench(text), "seconds": seconds, "other_cpu_share": share}
