#!/usr/bin/env python3
"""Tests of what write_performance.py computes from the figures that the programs print."""

import pathlib
import tempfile
import unittest
import unittest.mock

import write_performance
from peers import performance_tables as tables


def part(operation, seconds, share, weight_bytes=0, kv_bytes=0, multiply_adds=0):
    return {"operation": operation, "seconds": seconds, "share": share, "calls": 1, "weight_bytes": weight_bytes, "kv_bytes": kv_bytes,
            "multiply_adds": multiply_adds, "bytes_per_second": (weight_bytes + kv_bytes) / seconds,
            "multiply_adds_per_second": multiply_adds / seconds}


def bench_row(test="tg4", threads=2, seconds=(0.04, 0.02, 0.08), scale=1.0):
    """Generation with half of the time in Down, a quarter in attention, a quarter elsewhere."""
    operations = [part("attention", 0.0025 * scale, 0.25, kv_bytes=5e6, multiply_adds=1e6), part("down", 0.005 * scale, 0.5, 20e6, 0, 40e6)]
    return {"test": test, "threads": threads, "seconds": list(seconds), "activations": "rounded", "read_per_token_bytes": 20_000_000,
            "bandwidth_bytes_per_second": 10e9, "bandwidth_share": 0.2, "environment": {"cpu_model": "a processor", "kernels": "avx2"},
            "operators": {"seconds": 0.01 * scale, "relative_to_timed_median": 1.02, "operations": operations, "rest_seconds": 0.0025 * scale,
                          "rest_share": 0.25, "thread_meetings": 200, "thread_meeting_seconds": 1e-6, "thread_meeting_min_seconds": 5e-7,
                          "thread_meeting_batches": 40, "thread_meeting_share": 0.02}}


def run(model="small", type_name="int4", rows=None, share=0.01):
    return {"model": model, "type": type_name, "other_cpu_share": share, "rows": rows or [bench_row()]}


PEAKS = {"bytes": 100e9, "floats": 20e9}


class Roofs(unittest.TestCase):
    def test_products_of_quantized_weights_are_of_bytes_and_all_else_of_floats(self):
        self.assertEqual(tables.peak_of("down", "int4", "rounded", 2, PEAKS), 200e9)
        self.assertEqual(tables.peak_of("down", "int4", "float", 2, PEAKS), 40e9)
        self.assertEqual(tables.peak_of("down", "bfloat16", "rounded", 1, PEAKS), 20e9)
        self.assertEqual(tables.peak_of("attention", "int4", "rounded", 1, PEAKS), 20e9)
        self.assertIsNone(tables.peak_of("down", "int4", "rounded", 1, None))
        self.assertIsNone(tables.peak_of("down", "int4", "rounded", 1, {"bytes": None, "floats": 1e9}))

    def test_what_takes_longer_is_the_bound(self):
        self.assertEqual(tables.roof(part("down", 1, 1, 10, 10, 30), 10, 10), (3, "arithmetic"))
        self.assertEqual(tables.roof(part("down", 1, 1, 10, 10, 10), 10, 10), (2, "memory"))
        self.assertEqual(tables.roof(part("down", 1, 1, 10, 10, 10), None, 10), (1, "arithmetic"))
        self.assertEqual(tables.roof(part("rope", 1, 1), 10, 10), (None, None))
        self.assertEqual(tables.roof(part("down", 1, 1, 10), None, None), (None, None))


class Operations(unittest.TestCase):
    def test_shares_with_the_rest_are_the_whole(self):
        rows = tables.operation_rows(bench_row(), "int4", PEAKS)
        self.assertEqual([r["operation"] for r in rows], ["attention", "down", "rest", "whole"])
        self.assertAlmostEqual(sum(r["share"] for r in rows[:-1]), rows[-1]["share"])
        self.assertAlmostEqual(sum(r["seconds"] for r in rows[:-1]), rows[-1]["seconds"])

    def test_fractions_are_of_the_threads_together(self):
        down = tables.operation_rows(bench_row(), "int4", PEAKS)[1]
        self.assertAlmostEqual(down["bandwidth_share"], 0.4)   # 20 MB in 5 ms of 10 GB/s
        self.assertAlmostEqual(down["peak_share"], 0.04)       # 40 M in 5 ms of 200 G/s
        self.assertEqual(down["bound"], "memory")
        self.assertAlmostEqual(down["of_roof"], 0.4)

    def test_earlier_times_stand_beside(self):
        rows = tables.operation_rows(bench_row(), "int4", PEAKS, bench_row(scale=2.0))
        self.assertEqual([r["before"] / r["seconds"] for r in rows], [2.0] * 4)
        text = tables.operations_table(bench_row(), "int4", PEAKS, bench_row(scale=2.0))
        self.assertIn("| down | 10000.0 | 5000.0 | 2.00 | 50.0 % |", text)
        self.assertNotIn("before", tables.operations_table(bench_row(), "int4", PEAKS))

    def test_an_operation_that_is_new_has_no_earlier_time(self):
        earlier = bench_row()
        del earlier["operators"]["operations"][0]
        self.assertIsNone(tables.operation_rows(bench_row(), "int4", PEAKS, earlier)[0]["before"])

    def test_a_row_is_found_by_model_type_test_and_threads(self):
        runs = [run("a"), run("b", rows=[bench_row(threads=1)])]
        self.assertIs(tables.find_row(runs, "b", "int4", "tg4", 1), runs[1]["rows"][0])
        for key in (("b", "int8", "tg4", 1), ("b", "int4", "pp4", 1), ("b", "int4", "tg4", 2), ("c", "int4", "tg4", 1)):
            self.assertIsNone(tables.find_row(runs, *key))


class Summaries(unittest.TestCase):
    def test_speed_is_the_median_of_the_runs_with_extremes(self):
        self.assertEqual(tables.speeds(bench_row()), {"median": 100.0, "min": 50.0, "max": 200.0, "count": 3})

    def test_the_smallest_model_reads_least(self):
        large = {**bench_row(), "read_per_token_bytes": 30_000_000}
        self.assertEqual(tables.smallest_model([run("large", rows=[large]), run("small")]), "small")
        self.assertIsNone(tables.smallest_model([]))

    def test_overhead_is_of_generation_with_that_model(self):
        text = tables.overhead_table([run(rows=[bench_row(), bench_row("pp4")]), run("other")], "small")
        self.assertEqual(text.count("\n"), 3)
        self.assertIn("| int4 | 2 | 2500.0 | 25.0 % | 200 | 1.00 (best 0.50, 40 batches) | 2.0 % |", text)

    def test_a_run_counts_once_in_the_bandwidth(self):
        found = tables.bandwidths([run(rows=[bench_row(), bench_row("pp4"), bench_row(threads=1)]), run()])
        self.assertEqual({threads: spread["count"] for threads, spread in found.items()}, {1: 1, 2: 2})

    def test_targets_are_counted_where_there_are_some(self):
        rows = [{"target": 1.7, "met": met} for met in (True, True, False, None)] + [{"target": None, "met": None}]
        self.assertEqual(tables.target_summary([{"rows": rows}]), (2, 1, 1))

    def test_peaks_that_could_not_be_measured_are_none(self):
        machine = {"name": "machine/iterations:50/manual_time", "byte_GMAC/s": 200.0, "float_GMAC/s": 0.0}
        self.assertEqual(tables.peaks_of({"benchmarks": [machine]}), {"bytes": 200e9, "floats": None})
        self.assertIsNone(tables.peaks_of(None))

    def test_kernels_are_told_by_their_names(self):
        entry = {"name": "linear/group4/1536x576/T1/rounded/threads2/iterations:20/manual_time", "run_type": "iteration", "iterations": 20,
                 "GB/s": 12.34, "of_bandwidth": 0.5, "GMAC/s": 20.0, "of_peak": 0.0}
        self.assertIn("| group4 | 1536x576 | 1 | rounded | 2 | 12.3 | 50 % | 20.0 |  | 20 |", tables.kernels_table({"benchmarks": [entry]}))

    def test_noisy_chunks_of_lambada_do_not_count(self):
        chunks = [{"passages": 10, "assay_seconds": 1.0, "other_cpu_share": 0}, {"passages": 10, "assay_seconds": 9.0, "other_cpu_share": 0.5}]
        record = {"threads": 2, "torch": "2", "transformers": "5", "chunks": chunks, "differing_passages": 0,
                  "quiet": {"passages": 10, "assay_seconds": 1.0, "transformers_seconds": 2.0},
                  "ratio": {"median": 2.0, "min": 2.0, "max": 2.0, "count": 1}}
        text = tables.lambada_text(record)
        self.assertIn("1 of 2 chunks were quiet", text)
        self.assertIn("10.0 passages per second (median of chunks 10.0, 10.0 to 10.0)", text)
        quiet = {"passages": 0, "assay_seconds": 0, "transformers_seconds": 0}
        self.assertIn("None of 2", tables.lambada_text({**record, "quiet": quiet, "ratio": None}))


class Pages(unittest.TestCase):
    RECORD = {"date": "2026-01-01", "commit": "abc", "runs": [run()], "kernels": None}

    def test_sections_without_data_say_so(self):
        text = write_performance.page(self.RECORD)
        self.assertEqual(text.count("Not measured"), 3)  # llama.cpp, LAMBADA, kernels
        self.assertIn("not measured", text)  # peaks
        self.assertIn("### small, int4, tg4, 2 threads", text)
        self.assertIn("100.0 (50.0 to 200.0) tokens/s in 3 timed runs", text)

    def test_the_page_of_nothing_has_every_section(self):
        text = write_performance.page({"date": "2026-01-01", "commit": None, "runs": [], "kernels": None})
        self.assertEqual(text.count("\n## "), 8)

    def test_earlier_figures_are_dated(self):
        text = write_performance.page(self.RECORD, before={**self.RECORD, "date": "2025-01-01", "commit": None})
        self.assertIn("Before: 2025-01-01.", text)
        self.assertIn("us per token before", text)

    def test_models_that_are_not_there_are_left_out(self):
        with tempfile.TemporaryDirectory() as folder:
            models = pathlib.Path(folder)
            (models / "small" / "int4-g64").mkdir(parents=True)
            (models / "small" / "bfloat16").mkdir()
            args = unittest.mock.MagicMock(folder=models, models=["small"], types=["bfloat16", "int8", "int4"],
                                           kernels_bench=models / "missing")
            taken, saved = [], []
            with unittest.mock.patch.object(write_performance, "bench_run", lambda _, model, name: taken.append((model, name))):
                record = write_performance.measure(args, lambda so_far: saved.append(len(so_far["runs"])))
        self.assertEqual(taken, [("small", "bfloat16"), ("small", "int4")])
        self.assertEqual(saved, [1, 2])
        self.assertIsNone(record["kernels"])


if __name__ == "__main__":
    unittest.main()
