#!/usr/bin/env python3
"""Tests of what compare_llm_quality.py makes of the figures that the programs print."""

import argparse
import pathlib
import tempfile
import unittest

import compare_llm_quality
from peers import quality_table


def row(tool, name, size, kl, accuracy=0.25):
    return {"tool": tool, "name": name, "bytes": size, "kl_mean": kl, "kl_stderr": 0.01, "same_top": 0.5, "perplexity": 20.0, "positions": 100,
            "sequences": 4, "lambada": {"accuracy": accuracy, "accuracy_stderr": 0.02, "perplexity": 50.0, "examples": 9}}


class Table(unittest.TestCase):
    def test_is_by_size_and_marks_what_the_other_tool_beats_at_no_more_bytes(self):
        rows = [row("float", "F16", 300_000_000, 0.0, 0.5), row("Assay", "int2 g64", 80_000_000, 0.9), row("llama.cpp", "Q2_K", 85_000_000, 1.0),
                row("llama.cpp", "Q8_0", 140_000_000, 0.001)]
        lines = quality_table.markdown(rows).splitlines()
        self.assertEqual([line.split("|")[2].strip() for line in lines[2:6]], ["F16", "Q8_0", "Q2_K", "int2 g64"])
        self.assertIn("1.0000 ± 0.0100 *", lines[4])
        self.assertNotIn("*", lines[5])
        self.assertIn("| 50.0 |", lines[5])

    def test_a_tool_does_not_beat_itself(self):
        rows = [row("Assay", "a", 10, 0.5), row("Assay", "b", 20, 0.9)]
        self.assertFalse(quality_table.beaten(rows[1], rows))


class Record(unittest.TestCase):
    def test_goes_on_from_its_file_and_refuses_that_of_other_data(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "r.json"
            quality_table.Record(path, {"model": "m"}).add(row("Assay", "a", 10, 0.5))
            again = quality_table.Record(path, {"model": "m"})
            self.assertTrue(again.has("Assay", "a"))
            self.assertFalse(again.has("llama.cpp", "a"))
            with self.assertRaisesRegex(SystemExit, "another model"):
                quality_table.Record(path, {"model": "other"})


class Arguments(unittest.TestCase):
    words = ["--calibration", "a", "--held-out", "b", "--lambada", "c"]

    def test_variants_replace_those_built_in(self):
        self.assertEqual(compare_llm_quality.parse([*self.words, "--variant", "best=--to int2 --method best"]).variants, {"best": "--to int2 --method best"})
        self.assertEqual(compare_llm_quality.parse(self.words).variants, compare_llm_quality.VARIANTS)

    def test_a_variant_needs_a_name(self):
        with self.assertRaises(argparse.ArgumentTypeError):
            compare_llm_quality.variant("--to int2")


if __name__ == "__main__":
    unittest.main()
