"""The record and the table of compare_llm_quality.py."""

import json

KL_KEYS = ("kl_mean", "kl_stderr", "same_top", "perplexity", "positions", "sequences")
LAMBADA_KEYS = ("accuracy", "accuracy_stderr", "perplexity", "examples")


class Record:
    """The rows so far, in a JSON file that is whole after each of them."""

    def __init__(self, path, identity):
        self._path = path
        self._identity = identity
        self.rows = []
        if path.exists():
            stored = json.loads(path.read_text())
            if stored["identity"] != identity:
                differing = [key for key in identity if stored["identity"].get(key) != identity[key]]
                raise SystemExit(f"{path}: its rows were made with another {' and '.join(differing)}; name another file or remove it")
            self.rows = stored["rows"]

    def has(self, tool, name):
        return any(row["tool"] == tool and row["name"] == name for row in self.rows)

    def add(self, row):
        self.rows.append(row)
        scratch = self._path.with_name(self._path.name + ".partial")
        scratch.write_text(json.dumps({"identity": self._identity, "rows": self.rows}, indent=1) + "\n")
        scratch.rename(self._path)


def beaten(row, rows):
    """Whether another tool's row takes no more bytes and diverges less."""
    return any(other["tool"] not in (row["tool"], "float") and other["bytes"] <= row["bytes"] and other["kl_mean"] < row["kl_mean"]
               for other in rows)


def markdown(rows):
    """By size, the largest first; * marks a row that another tool beats in KL at no more bytes."""
    reference = next((row for row in rows if row["tool"] == "float"), None)
    lines = ["| | type | MB | LAMBADA, % | kept, % | perplexity per word | KL, nats per token | same top token, % | perplexity per token |",
             "|---|---|---|---|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: -row["bytes"]):
        lambada = row["lambada"]
        kept = f"{100 * lambada['accuracy'] / reference['lambada']['accuracy']:.1f}" if reference and reference["lambada"]["accuracy"] else ""
        error = f" ± {row['kl_stderr']:.4f}" if row["kl_stderr"] is not None else ""
        mark = " *" if row["tool"] != "float" and beaten(row, rows) else ""
        lines.append(f"| {row['tool']} | {row['name']} | {row['bytes'] / 1e6:.1f} | {100 * lambada['accuracy']:.1f} ± {100 * (lambada['accuracy_stderr'] or 0):.1f} "
                     f"| {kept} | {lambada['perplexity']:.1f} | {row['kl_mean']:.4f}{error}{mark} | {100 * row['same_top']:.1f} | {row['perplexity']:.2f} |")
    first = rows[0] if rows else None
    if first:
        lines.append(f"\nLAMBADA: n = {first['lambada']['examples']}; KL and perplexity per token: {first['positions']} positions of {first['sequences']} "
                     "sequences. ± one standard error. * another tool diverges less at no more bytes.")
    return "\n".join(lines)
