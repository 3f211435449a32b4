"""Speeds of two tools, sampled in turn: which samples count, and what they say together.

A sample is a dictionary: model, threads, test ("pp512", "tg128"), tool, type, round, tokens_per_second, other_cpu_share and
whatever else its tool told. A pair of samples shares model, threads, test and round, so both were taken within minutes.
"""

import os
import statistics
import subprocess
import tempfile
import time

# Of the machine's processor time that others may take while a sample is made.
NOISY_SHARE = 0.04
CELL = ("model", "threads", "test", "tool", "type")


def parse_cpu_ticks(text):
    """(total, busy) of all processors since boot from /proc/stat. Waiting for input counts as idle, stolen time as busy."""
    for line in text.splitlines():
        if line.startswith("cpu "):
            # user nice system idle iowait irq softirq steal; guest times that follow are contained in user and nice (proc(5)).
            ticks = [int(field) for field in line.split()[1:9]]
            total = sum(ticks)
            return total, total - ticks[3] - ticks[4]
    raise ValueError("/proc/stat: no line 'cpu'")


def other_cpu_share(before, after, own_seconds, ticks_per_second):
    """The share of the machine's processor time between two readings that `own_seconds` do not explain, from 0 to 1."""
    total, busy = after[0] - before[0], after[1] - before[1]
    if total <= 0:
        return 0.0
    return min(1.0, max(0.0, (busy - own_seconds * ticks_per_second) / total))


def read_cpu_ticks():
    with open("/proc/stat", encoding="ascii") as file:
        return parse_cpu_ticks(file.read())


def watched_output(command):
    """Runs a command. Gives its standard output, wall seconds and the share of others meanwhile.
    Raises RuntimeError with the end of its standard error where it fails."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        before, begin = read_cpu_ticks(), time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=errors, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begin
        share = other_cpu_share(before, read_cpu_ticks(), usage.ru_utime + usage.ru_stime, os.sysconf("SC_CLK_TCK"))
        out.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}\nfailed with status {process.returncode}:\n{errors.read()[-2000:]}")
        return out.read(), seconds, share


def is_quiet(sample):
    return sample["other_cpu_share"] <= NOISY_SHARE


def cell_of(sample):
    return tuple(sample[key] for key in CELL)


def quiet_speeds(samples, **wanted):
    """{round: tokens per second} of the quiet samples that have these values."""
    return {s["round"]: s["tokens_per_second"] for s in samples if is_quiet(s) and all(s[key] == value for key, value in wanted.items())}


def spread(values):
    """{median, min, max, count}, or None of nothing."""
    values = list(values)
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "count": len(values)}


def paired_ratio(ours, theirs):
    """Spread of ours / theirs over the rounds that have both; None if there are none."""
    return spread(ours[r] / theirs[r] for r in sorted(ours.keys() & theirs.keys()))


def fastest(speeds):
    """The key of the greatest median in {key: {round: speed}}; keys without speeds do not count. None of nothing."""
    measured = {key: statistics.median(rounds.values()) for key, rounds in speeds.items() if rounds}
    return max(measured, key=measured.get) if measured else None


def verdict(ratio, target):
    """Whether the median of the paired ratios reaches the target: None where nothing is asked or known."""
    return None if ratio is None or target is None else ratio["median"] >= target
