#!/usr/bin/env python3
"""Tests of what compare_llama_cpp.py computes from the figures that the programs print."""

import argparse
import json
import os
import pathlib
import sys
import tempfile
import unittest
import unittest.mock

import compare_llama_cpp
from peers import assay_llm, llama_cpp, paired_speed, speed_table, torch_peers


def sample(round_number, speed, share=0.0, **more):
    return {"model": "m", "threads": 1, "test": "tg128", "tool": "assay", "type": "int4", "round": round_number,
            "tokens_per_second": speed, "other_cpu_share": share, **more}


class CpuShares(unittest.TestCase):
    def test_waiting_is_idle_and_stolen_time_is_busy_and_guests_count_once(self):
        text = "cpu  10 20 30 400 50 6 7 8 99 99\ncpu0 1 1 1 1 1 1 1 1 0 0\n"
        self.assertEqual(paired_speed.parse_cpu_ticks(text), (531, 81))

    def test_text_without_the_line_is_refused(self):
        with self.assertRaises(ValueError):
            paired_speed.parse_cpu_ticks("cpu0 1 1 1 1 1 1 1 1\n")

    def test_what_the_process_used_itself_is_not_others(self):
        self.assertAlmostEqual(paired_speed.other_cpu_share((1000, 500), (1200, 600), 0.6, 100), 0.2)
        self.assertEqual(paired_speed.other_cpu_share((1000, 500), (1200, 600), 1.1, 100), 0)
        self.assertEqual(paired_speed.other_cpu_share((1000, 500), (1000, 500), 0, 100), 0)

    def test_what_a_watched_process_used_is_not_others(self):
        busy = "import time\nwhile time.process_time() < 0.5: pass\nprint(7)"
        hertz = os.sysconf("SC_CLK_TCK")
        readings = [(1000, 500), (1000 + 4 * hertz, 500 + 2 * hertz)]
        with unittest.mock.patch.object(paired_speed, "read_cpu_ticks", side_effect=readings):
            text, seconds, share = paired_speed.watched_output([sys.executable, "-c", busy])
        self.assertEqual(text, "7\n")
        self.assertGreaterEqual(seconds, 0.5)
        self.assertAlmostEqual(share, 1.5 / 4, delta=0.05)

    def test_a_watched_process_that_fails_says_why(self):
        with self.assertRaisesRegex(RuntimeError, "(?s)status 1.*no such model"):
            paired_speed.watched_output([sys.executable, "-c", "raise SystemExit('no such model')"])


class Ratios(unittest.TestCase):
    def test_noisy_samples_do_not_count(self):
        samples = [sample(0, 10.0), sample(1, 3.0, 0.041), sample(1, 12.0, 0.04), sample(2, 4.0, 0.9), sample(0, 99.0, type="int8")]
        self.assertEqual(paired_speed.quiet_speeds(samples, tool="assay", type="int4"), {0: 10.0, 1: 12.0})

    def test_spread_is_median_and_extremes(self):
        self.assertEqual(paired_speed.spread([4.0, 1.0, 2.0]), {"median": 2.0, "min": 1.0, "max": 4.0, "count": 3})
        self.assertIsNone(paired_speed.spread([]))

    def test_ratios_are_of_the_same_round(self):
        # The machine halves its speed in round 1: both tools halve, and no ratio does.
        ours, theirs = {0: 20.0, 1: 10.0, 2: 21.0, 3: 1.0}, {0: 10.0, 1: 5.0, 2: 10.0}
        self.assertEqual(paired_speed.paired_ratio(ours, theirs), {"median": 2.0, "min": 2.0, "max": 2.1, "count": 3})
        self.assertIsNone(paired_speed.paired_ratio({0: 1.0}, {1: 1.0}))

    def test_the_fastest_has_the_greatest_median(self):
        self.assertEqual(paired_speed.fastest({"a": {0: 1.0, 1: 9.0, 2: 1.5}, "b": {0: 2.0, 1: 2.0}, "c": {}}), "b")
        self.assertIsNone(paired_speed.fastest({"c": {}}))

    def test_a_target_is_met_by_the_median(self):
        self.assertTrue(paired_speed.verdict({"median": 1.7}, 1.7))
        self.assertFalse(paired_speed.verdict({"median": 1.69}, 1.7))
        self.assertIsNone(paired_speed.verdict(None, 1.7))
        self.assertIsNone(paired_speed.verdict({"median": 1.69}, None))


class Parsing(unittest.TestCase):
    def test_llama_bench(self):
        rows = [{"model_size": 143000000, "n_prompt": 0, "n_gen": 128, "avg_ns": 2000000000, "avg_ts": 64.0, "samples_ts": [64.0]}]
        self.assertEqual(llama_cpp.parse_bench(json.dumps(rows)), {"tokens_per_second": 64.0, "read_bytes": 143000000})
        with self.assertRaises(ValueError):
            llama_cpp.parse_bench(json.dumps(rows + rows))

    def test_assay_bench(self):
        row = {"test": "tg128", "tokens_per_second": 80.0, "read_per_token_bytes": 90000000, "bandwidth_bytes_per_second": 15e9,
               "activations": "rounded", "environment": {"kernels": "avx2"}}
        expected = {"tokens_per_second": 80.0, "read_bytes": 90000000, "bandwidth": 15e9, "kernels": "avx2", "activations": "rounded"}
        self.assertEqual(assay_llm.parse_bench(json.dumps([row])), expected)
        del row["bandwidth_bytes_per_second"]
        self.assertEqual(assay_llm.parse_bench(json.dumps([row])), {**expected, "bandwidth": None})
        with self.assertRaises(ValueError):
            assay_llm.parse_bench("[]")

    def test_python_peers_print_other_things_before(self):
        self.assertEqual(torch_peers.parse_speed('INFO {"no"}\n\n{"tokens_per_second": 2.5}\n'), {"tokens_per_second": 2.5})


def table(*samples):
    (only,) = speed_table.tables([{"read_bytes": 50_000_000, "bandwidth": 10e9, **s} for s in samples])
    return only


class Tables(unittest.TestCase):
    def test_the_target_stands_at_the_fastest_match(self):
        llama = {"tool": "llama.cpp", "bandwidth": None}
        rows = table(sample(0, 15.0), sample(1, 20.0), sample(0, 10.0, type="Q4_0", **llama), sample(1, 10.0, type="Q4_0", **llama),
                     sample(0, 6.0, type="Q4_K_M", **llama), sample(1, 2.0, type="Q4_K_M", **llama))["rows"]
        self.assertEqual([(r["peer"]["type"], r["ratio"]["median"], r["target"], r["met"]) for r in rows],
                         [("Q4_0", 1.75, 1.7, True), ("Q4_K_M", 6.25, None, None)])

    def test_bytes_read_are_told_as_a_share_of_the_bandwidth(self):
        (row,) = table(sample(0, 100.0), sample(0, 1.0, type="Q4_0", tool="llama.cpp"))["rows"]
        self.assertEqual(row["assay"]["share_of_bandwidth"], 0.5)

    def test_of_prompts_only_the_fastest_types_have_a_target(self):
        pp = {"test": "pp512"}
        llama = {"tool": "llama.cpp", **pp}
        rows = table(sample(0, 30.0, type="int8", **pp), sample(0, 14.0, **pp), sample(0, 20.0, type="F16", **llama),
                     sample(0, 10.0, type="Q4_0", **llama))["rows"]
        self.assertEqual([(r["test"], r["assay"]["type"], r["peer"]["type"], r["target"], r["met"]) for r in rows],
                         [("pp512", "int4", "Q4_0", None, None), ("pp512, fastest", "int8", "F16", 1.5, True)])

    def test_noisy_samples_are_counted_and_leave_no_pair(self):
        result = table(sample(0, 10.0), sample(0, 5.0, 0.5, type="Q4_0", tool="llama.cpp"))
        self.assertEqual((result["samples"], result["noisy"], result["rows"][0]["ratio"]), (2, 1, None))
        text = speed_table.table_text(result)
        self.assertIn("1 of 2 samples dropped", text)
        self.assertIn("no quiet sample", text)

    def test_other_peers_stand_beside_the_type_that_they_match(self):
        rows = table(sample(0, 30.0), sample(0, 10.0, tool="GPTQModel", against="int4", read_bytes=None))["rows"]
        self.assertEqual([(r["assay"]["type"], r["peer"]["tool"], r["ratio"]["median"]) for r in rows], [("int4", "GPTQModel", 3.0)])


class Runs(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name) / "speed.json"
        self.args = argparse.Namespace(models=["smollm2-135m"], rounds=2, threads=[1], tests=["tg128"], types=["int4"], attempts=2,
                                       python_peers=False, assay="assay", isa="native")
        self.taken = []

    def take(self, shares):
        """Runs with samples whose shares of others are these, in turn."""
        shares = iter(shares)

        def fake(tool):
            def sample_of(*_):
                self.taken.append(tool)
                return {"tokens_per_second": 1.0, "read_bytes": 1, "other_cpu_share": next(shares)}
            return sample_of

        record = compare_llama_cpp.Record(self.path, {"assay": "a"})
        with unittest.mock.patch.object(assay_llm, "sample", fake("assay")), unittest.mock.patch.object(llama_cpp, "sample", fake("llama")):
            compare_llama_cpp.take_samples(self.args, None, unittest.mock.MagicMock(), record)

    def test_tools_take_turns_and_the_order_is_reversed_every_other_round(self):
        self.take([0] * 6)
        self.assertEqual(self.taken, ["assay", "llama", "llama", "llama", "llama", "assay"])

    def test_a_noisy_sample_is_taken_again_but_not_for_ever(self):
        self.args.rounds = 1
        self.take([0.5, 0, 0.5, 0.5, 0])
        self.assertEqual(self.taken, ["assay", "assay", "llama", "llama", "llama"])

    def test_a_run_that_was_cut_goes_on(self):
        with self.assertRaises(StopIteration):
            self.take([0, 0])
        self.taken.clear()
        self.take([0] * 4)
        self.assertEqual(self.taken, ["llama", "llama", "llama", "assay"])
        self.assertEqual(len(json.loads(self.path.read_text())["samples"]), 6)

    def test_samples_of_another_program_are_not_mixed_in(self):
        compare_llama_cpp.Record(self.path, {"assay": "a"}).write()
        with self.assertRaisesRegex(SystemExit, "another assay"):
            compare_llama_cpp.Record(self.path, {"assay": "b"})


if __name__ == "__main__":
    unittest.main()
