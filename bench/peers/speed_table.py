"""Tables of assay's speed beside its peers', from the samples of paired_speed."""

import statistics

from peers import paired_speed

LLAMA = "llama.cpp"
# Assay's type, llama.cpp's types that are its match, and by how much assay's generation is to be faster than the fastest of them.
MATCHES = (("bfloat16", ("F16",), 1.3), ("float16", ("F16",), 1.3), ("int8", ("Q8_0",), 1.6), ("int4", ("Q4_0", "Q4_K_M"), 1.7),
           ("int3", ("Q3_K_M", "Q3_K_S"), 1.7), ("int2", ("Q2_K",), 2.0))
# By how much assay's fastest type is to be faster at prompts than llama.cpp's fastest.
PROMPT_TARGET = 1.5
COLUMNS = ("test", "assay", "MB per token", "tokens/s (min to max)", "of bandwidth", "peer", "MB per token", "tokens/s (min to max)",
           "of bandwidth", "ratio (min to max)", "target", "met")


def values_of(samples, key):
    return [s[key] for s in samples if paired_speed.is_quiet(s) and s.get(key) is not None]


class Cells:
    """The samples of one model, number of threads and test."""

    def __init__(self, samples, bandwidth):
        self._samples = samples
        self._bandwidth = bandwidth

    def speeds(self, tool, type_name):
        return paired_speed.quiet_speeds(self._samples, tool=tool, type=type_name)

    def types(self, tool):
        return list(dict.fromkeys(s["type"] for s in self._samples if s["tool"] == tool))

    def side(self, tool, type_name):
        """What the table says of one tool; share_of_bandwidth is what its weights take, reading each once per token."""
        speed = paired_speed.spread(self.speeds(tool, type_name).values())
        read = values_of([s for s in self._samples if s["tool"] == tool and s["type"] == type_name], "read_bytes")
        read_bytes = read[0] if read else None
        share = speed["median"] * read_bytes / self._bandwidth if speed and read_bytes and self._bandwidth else None
        return {"tool": tool, "type": type_name, "tokens_per_second": speed, "read_bytes": read_bytes, "share_of_bandwidth": share}

    def row(self, test, ours, peer, target):
        ratio = paired_speed.paired_ratio(self.speeds("assay", ours), self.speeds(*peer))
        return {"test": test, "assay": self.side("assay", ours), "peer": self.side(*peer), "ratio": ratio, "target": target,
                "met": paired_speed.verdict(ratio, target)}


def generation_rows(cells, test):
    rows = []
    for ours, theirs, target in MATCHES:
        fastest = paired_speed.fastest({t: cells.speeds(LLAMA, t) for t in theirs})
        if ours not in cells.types("assay"):
            continue
        rows += [cells.row(test, ours, (LLAMA, t), target if t == fastest else None) for t in theirs if t in cells.types(LLAMA)]
    return rows


def prompt_rows(cells, test):
    rows = [{**row, "target": None, "met": None} for row in generation_rows(cells, test)]
    ours = paired_speed.fastest({t: cells.speeds("assay", t) for t in cells.types("assay")})
    theirs = paired_speed.fastest({t: cells.speeds(LLAMA, t) for t in cells.types(LLAMA)})
    if ours and theirs:
        rows.append(cells.row(test + ", fastest", ours, (LLAMA, theirs), PROMPT_TARGET))
    # Reading weights is not what bounds a prompt.
    for row in rows:
        for side in ("assay", "peer"):
            row[side]["share_of_bandwidth"] = None
    return rows


def other_rows(cells, test):
    """Assay beside peers other than llama.cpp: `against` of a sample of theirs is the type of assay that is its match."""
    seen = dict.fromkeys((s["against"], s["tool"], s["type"]) for s in cells._samples if s["tool"] not in ("assay", LLAMA))
    return [cells.row(test, ours, (tool, type_name), None) for ours, tool, type_name in seen]


def tables(samples):
    """[{model, threads, bandwidth, noisy, rows}] in the order in which samples came."""
    result = []
    for model, threads in dict.fromkeys((s["model"], s["threads"]) for s in samples):
        here = [s for s in samples if (s["model"], s["threads"]) == (model, threads)]
        bandwidths = values_of(here, "bandwidth")
        bandwidth = statistics.median(bandwidths) if bandwidths else None
        rows = []
        for test in dict.fromkeys(s["test"] for s in here):
            cells = Cells([s for s in here if s["test"] == test], bandwidth)
            rows += prompt_rows(cells, test) if test.startswith("pp") else generation_rows(cells, test)
            rows += other_rows(cells, test)
        result.append({"model": model, "threads": threads, "bandwidth_bytes_per_second": bandwidth, "samples": len(here),
                       "noisy": sum(not paired_speed.is_quiet(s) for s in here), "rows": rows})
    return result


def spread_text(spread, digits):
    if spread is None:
        return "no quiet sample"
    return f"{spread['median']:.{digits}f} ({spread['min']:.{digits}f} to {spread['max']:.{digits}f})"


def side_text(side):
    label = side["type"] if side["tool"] in ("assay", LLAMA) else f"{side['tool']} {side['type']}"
    read = f"{side['read_bytes'] / 1e6:.1f}" if side["read_bytes"] else ""
    share = f"{100 * side['share_of_bandwidth']:.0f} %" if side["share_of_bandwidth"] else ""
    return [label, read, spread_text(side["tokens_per_second"], 1), share]


def table_text(table):
    """Markdown."""
    bandwidth = table["bandwidth_bytes_per_second"]
    lines = [f"{table['model']}, {table['threads']} thread{'s' if table['threads'] > 1 else ''}: read bandwidth "
             + (f"{bandwidth / 1e9:.1f} GB/s" if bandwidth else "not measured")
             + f"; {table['noisy']} of {table['samples']} samples dropped, because others had more than "
             f"{100 * paired_speed.NOISY_SHARE:.0f} % of the processors",
             "", "| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for row in table["rows"]:
        ratio, count = row["ratio"], row["ratio"]["count"] if row["ratio"] else 0
        cells = [row["test"], *side_text(row["assay"]), *side_text(row["peer"]),
                 f"{spread_text(ratio, 2)} of {count}" if ratio else "no pair", f"{row['target']:g}" if row["target"] else "",
                 {True: "met", False: "not met", None: ""}[row["met"]]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
