"""What docs/performance.md says of the time of language models, from the records of `assay bench --operators --json`.

A run is {model, type, other_cpu_share, rows}, rows being what the program printed. Peaks are {"bytes": a, "floats": b},
multiply-adds per second of one thread, or None where they were not measured.
"""

import statistics

from peers import paired_speed

PRODUCTS = ("embedding", "qkv", "output", "gate_up", "down", "head")
FLOAT_TYPES = ("float32", "float16", "bfloat16")
OVERHEAD = "rest"


def tokens_of(test):
    return int(test[2:])


def speeds(row):
    """Spread of tokens per second over the timed runs."""
    return paired_speed.spread(tokens_of(row["test"]) / seconds for seconds in row["seconds"])


def peak_of(operation, type_name, activations, threads, peaks):
    """Multiply-adds per second that the threads could do for an operation, None where that is not known. Products of quantized
    weights with rounded input are of bytes, all others of floats."""
    if not peaks:
        return None
    of_bytes = operation in PRODUCTS and type_name not in FLOAT_TYPES and activations == "rounded"
    peak = peaks.get("bytes" if of_bytes else "floats")
    return peak * threads if peak else None


def roof(part, bandwidth, peak):
    """(seconds, bound): what an operation takes at least, reading its bytes at the bandwidth and multiplying at the peak, and which
    of the two bounds it: "memory", "arithmetic". (None, None) where neither is known or nothing is read."""
    candidates = []
    moved = part["weight_bytes"] + part["kv_bytes"]
    if bandwidth and moved:
        candidates.append((moved / bandwidth, "memory"))
    if peak and part["multiply_adds"]:
        candidates.append((part["multiply_adds"] / peak, "arithmetic"))
    return max(candidates) if candidates else (None, None)


def operation_rows(row, type_name, peaks, before=None):
    """One dictionary per operation, the rest and the whole last: microseconds per token, share, gigabytes and multiply-adds per
    second, their shares, what bounds and how near it is; before: microseconds of the same operation in an earlier row."""
    profile, threads, bandwidth = row["operators"], row["threads"], row.get("bandwidth_bytes_per_second")
    earlier = {}
    if before:
        earlier = {part["operation"]: part["seconds"] for part in before["operators"]["operations"]}
        earlier |= {OVERHEAD: before["operators"]["rest_seconds"], "whole": before["operators"]["seconds"]}
    rows = []
    for part in profile["operations"]:
        peak = peak_of(part["operation"], type_name, row["activations"], threads, peaks)
        least, bound = roof(part, bandwidth, peak)
        seconds = part["seconds"]
        rows.append({"operation": part["operation"], "seconds": seconds, "share": part["share"],
                     "bytes": part["weight_bytes"] + part["kv_bytes"], "multiply_adds": part["multiply_adds"],
                     "bandwidth_share": part["bytes_per_second"] / bandwidth if bandwidth else None,
                     "peak_share": part["multiply_adds_per_second"] / peak if peak else None,
                     "bound": bound, "of_roof": least / seconds if least and seconds > 0 else None})
    rows.append({"operation": OVERHEAD, "seconds": profile["rest_seconds"], "share": profile["rest_share"]})
    rows.append({"operation": "whole", "seconds": profile["seconds"], "share": 1.0})
    for each in rows:
        each["before"] = earlier.get(each["operation"])
    return rows


def find_row(runs, model, type_name, test, threads):
    for run in runs:
        if (run["model"], run["type"]) == (model, type_name):
            for row in run["rows"]:
                if (row["test"], row["threads"]) == (test, threads) and "operators" in row:
                    return row
    return None


def overhead(row):
    """Shares of the time that is none of the operations, and of the meetings of the threads, which are inside of the operations."""
    profile = row["operators"]
    return {"rest_share": profile["rest_share"], "rest_seconds": profile["rest_seconds"], "meetings": profile["thread_meetings"],
            "meeting_seconds": profile["thread_meeting_seconds"], "meeting_min_seconds": profile["thread_meeting_min_seconds"],
            "meeting_batches": profile["thread_meeting_batches"], "meeting_share": profile["thread_meeting_share"]}


def markdown(columns, rows):
    """A table; "" for None."""
    def line(cells):
        return "| " + " | ".join("" if cell is None else str(cell) for cell in cells) + " |"
    return "\n".join([line(columns), "|" + "---|" * len(columns), *map(line, rows)]) + "\n"


def percent(value, digits=0):
    return None if value is None else f"{100 * value:.{digits}f} %"


def scaled(value, unit, digits):
    return f"{value / unit:.{digits}f}" if value else None


def speed_text(row):
    spread = speeds(row)
    return f"{spread['median']:.1f} ({spread['min']:.1f} to {spread['max']:.1f})"


def speeds_table(runs):
    """Of all runs: tokens per second, with spread and the number of timed runs."""
    rows = []
    for run in runs:
        for row in run["rows"]:
            share = row.get("bandwidth_share")
            rows.append([run["model"], run["type"], row["test"], row["threads"], speed_text(row), len(row["seconds"]),
                         f"{row['read_per_token_bytes'] / 1e6:.1f}" if row["test"].startswith("tg") else None, percent(share),
                         percent(run["other_cpu_share"], 1)])
    return markdown(("model", "type", "test", "threads", "tokens/s, median (min to max)", "runs", "MB read per token", "of bandwidth",
                     "other load"), rows)


def operations_table(row, type_name, peaks, before=None):
    columns = ["operation", "us per token", "share", "MB read", "M multiply-adds", "of bandwidth", "of peak", "bound by", "of the bound"]
    if before:
        columns[1:2] = ["us per token before", "us per token", "times as fast"]
    rows = []
    for each in operation_rows(row, type_name, peaks, before):
        times = [f"{1e6 * each['seconds']:.1f}"]
        if before:
            earlier = each["before"]
            times = [scaled(earlier, 1e-6, 1), *times, f"{earlier / each['seconds']:.2f}" if earlier and each["seconds"] > 0 else None]
        rows.append([each["operation"], *times, percent(each["share"], 1), scaled(each.get("bytes"), 1e6, 2),
                     scaled(each.get("multiply_adds"), 1e6, 2), percent(each.get("bandwidth_share")) if each.get("bytes") else None,
                     percent(each.get("peak_share")) if each.get("multiply_adds") else None, each.get("bound"),
                     percent(each.get("of_roof"))])
    return markdown(columns, rows)


def overhead_table(runs, model):
    """Of generation with one model: what is not an operation, and the meetings of the threads."""
    rows = []
    for run in runs:
        if run["model"] != model:
            continue
        for row in run["rows"]:
            if not row["test"].startswith("tg") or "operators" not in row:
                continue
            part = overhead(row)
            meeting = (f"{1e6 * part['meeting_seconds']:.2f} (best {1e6 * part['meeting_min_seconds']:.2f}, {part['meeting_batches']} batches)"
                       if part["meetings"] else None)
            rows.append([run["type"], row["threads"], f"{1e6 * part['rest_seconds']:.1f}", percent(part["rest_share"], 1),
                         f"{part['meetings']:.0f}", meeting, percent(part["meeting_share"], 1) if part["meetings"] else None])
    return markdown(("type", "threads", "rest, us per token", "rest", "meetings per token", "us per empty meeting, median", "meetings"), rows)


def smallest_model(runs):
    """The model whose generation reads least per token."""
    read = {}
    for run in runs:
        for row in run["rows"]:
            read[run["model"]] = min(row["read_per_token_bytes"], read.get(run["model"], row["read_per_token_bytes"]))
    return min(read, key=read.get) if read else None


def bandwidths(runs):
    """{threads: spread of the read bandwidth over all runs}."""
    found = {}
    for run in runs:
        seen = {row["threads"]: row["bandwidth_bytes_per_second"] for row in run["rows"] if row.get("bandwidth_bytes_per_second")}
        for threads, bandwidth in seen.items():
            found.setdefault(threads, []).append(bandwidth)
    return {threads: paired_speed.spread(values) for threads, values in sorted(found.items())}


def peaks_of(kernels):
    """Peaks from what kernels_bench wrote: None without it, and for what it could not measure."""
    for entry in (kernels or {}).get("benchmarks", []):
        if entry["name"].startswith("machine"):
            return {"bytes": 1e9 * entry["byte_GMAC/s"] or None, "floats": 1e9 * entry["float_GMAC/s"] or None}
    return None


def kernels_table(kernels):
    rows = []
    for entry in (kernels or {}).get("benchmarks", []):
        parts = entry["name"].split("/")
        if parts[0] != "linear" or entry.get("run_type", "iteration") != "iteration":
            continue
        _, weights, shape, tokens, activations, threads = parts[:6]
        rows.append([weights, shape, tokens[1:], activations, threads.removeprefix("threads"),
                     f"{entry['GB/s']:.1f}" if "GB/s" in entry else None, percent(entry.get("of_bandwidth")),
                     f"{entry['GMAC/s']:.1f}", percent(entry["of_peak"]) if entry.get("of_peak") else None, entry.get("iterations")])
    return markdown(("weights", "rows x columns", "rows of x", "input", "threads", "GB/s", "of bandwidth", "GMAC/s", "of peak", "calls"), rows)


def target_summary(tables):
    """(met, not met, undecided) over the rows of speed_table.tables that have a target."""
    verdicts = [row["met"] for table in tables for row in table["rows"] if row["target"] is not None]
    return verdicts.count(True), verdicts.count(False), verdicts.count(None)


def lambada_text(record):
    """Sentences on what compare_lambada_speed.py wrote."""
    quiet, ratio = record["quiet"], record["ratio"]
    chunks = record["chunks"]
    if not ratio or not quiet["passages"]:
        return f"None of {len(chunks)} chunks was quiet.\n"
    ours = quiet["passages"] / quiet["assay_seconds"]
    theirs = quiet["passages"] / quiet["transformers_seconds"]
    rates = [chunk["passages"] / chunk["assay_seconds"] for chunk in chunks if paired_speed.is_quiet(chunk)]
    return (f"{ratio['count']} of {len(chunks)} chunks were quiet, with {quiet['passages']} passages on {record['threads']} threads. Assay scores "
            f"{ours:.1f} passages per second (median of chunks {statistics.median(rates):.1f}, {min(rates):.1f} to {max(rates):.1f}), "
            f"transformers {record['transformers']} with torch {record['torch']} {theirs:.1f}. The seconds of transformers are "
            f"{ratio['median']:.2f} times ours (median of chunks; {ratio['min']:.2f} to {ratio['max']:.2f}). {record['differing_passages']} "
            f"passages were judged differently.\n")
