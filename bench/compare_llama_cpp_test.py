#!/usr/bin/env python3
"""Tests of paired_speed."""

import os
import sys
import unittest
import unittest.mock

from peers import paired_speed


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


if __name__ == "__main__":
    unittest.main()
