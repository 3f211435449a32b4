#!/usr/bin/env python3
"""Check a cloze set in the LAMBADA layout and print its statistics.

Usage: check_cloze.py [SET.jsonl] [--lambada LAMBADA.jsonl]

Each line must be {"text": "..."}; the last space-separated word is the
target. Exits 1 when any rule is broken, with one line per violation, and 2
when a file cannot be read. Needs only the Python standard library.
"""

import argparse
import json
import pathlib
import re
import sys
from collections import Counter, defaultdict

DEFAULT_SET = pathlib.Path(__file__).resolve().parent.parent / "models/cloze/cloze.jsonl"

MIN_PASSAGES = 220
MIN_WORDS, MAX_WORDS = 40, 150  # of the whole text, target included
MAX_TARGET_REPEATS = 3
MAX_SAME_FIRST_WORD = 15
MAX_SAME_FIRST_THREE_WORDS = 2
# Idioms ("for the first time in her") recur in honest prose; a template shows
# as a longer run, or as several runs shared by one pair of passages.
TEMPLATE_NGRAM = 8
STOCK_NGRAM = 6
MAX_STOCK_PER_PAIR = 2
LAMBADA_NGRAM = 8
TARGET_SEEN_SHARE = (0.70, 1.0)


def words_of(text):
    return re.findall(r"[a-z0-9]+(?:'[a-z]+)?", text.lower())


def ngrams(words, n):
    return {tuple(words[i:i + n]) for i in range(len(words) - n + 1)}


def load(path):
    """The texts of a JSONL file, and one message for each malformed line."""
    texts, errors = [], []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                errors.append(f"line {number}: not JSON: {error}")
                continue
            if not isinstance(record, dict) or set(record) != {"text"} or not isinstance(record["text"], str):
                errors.append(f'line {number}: expected exactly {{"text": string}}')
                continue
            texts.append((number, record["text"]))
    return texts, errors


def check_form(number, text):
    errors = []
    target = text.rsplit(" ", 1)[-1]
    if not re.fullmatch(r"[A-Za-z]+", target):
        errors.append(f"line {number}: target {target!r} is not one alphabetic word")
    if not text.isascii():
        errors.append(f"line {number}: holds characters outside ASCII")
    if re.search(r"(?<!\n)\n(?!\n)|\n{3,}|\t|\r|  | \n|\n ", text) or text != text.strip():
        errors.append(f"line {number}: whitespace other than single spaces and paragraph breaks")
    count = len(text.split())
    if not MIN_WORDS <= count <= MAX_WORDS:
        errors.append(f"line {number}: {count} words, expected {MIN_WORDS} to {MAX_WORDS}")
    return errors


def shared_ngrams(texts, n):
    """N-gram -> sorted line numbers, for those found in two passages or more."""
    places = defaultdict(set)
    for number, text in texts:
        for gram in ngrams(words_of(text), n):
            places[gram].add(number)
    return {gram: sorted(at) for gram, at in places.items() if len(at) > 1}


def check_repetition(texts, targets, stock):
    errors = []
    first_seen = {}
    for number, text in texts:
        key = " ".join(words_of(text))
        if key in first_seen:
            errors.append(f"line {number}: same text as line {first_seen[key]}")
        first_seen.setdefault(key, number)
    for target, count in Counter(targets).items():
        if count > MAX_TARGET_REPEATS:
            errors.append(f"target {target!r} is used {count} times, at most {MAX_TARGET_REPEATS} expected")
    for length, limit in ((1, MAX_SAME_FIRST_WORD), (3, MAX_SAME_FIRST_THREE_WORDS)):
        openings = Counter(" ".join(words_of(text)[:length]) for _, text in texts)
        for opening, count in openings.items():
            if count > limit:
                errors.append(f"{count} passages open with {opening!r}, at most {limit} expected")
    for gram, at in shared_ngrams(texts, TEMPLATE_NGRAM).items():
        errors.append(f"lines {at}: share the {TEMPLATE_NGRAM}-gram {' '.join(gram)!r}")
    pairs = Counter((a, b) for at in stock.values() for a in at for b in at if a < b)
    for (a, b), count in pairs.items():
        if count > MAX_STOCK_PER_PAIR:
            errors.append(f"lines {a} and {b}: share {count} {STOCK_NGRAM}-grams, at most {MAX_STOCK_PER_PAIR} expected")
    return errors


def check_against_lambada(texts, path):
    lambada, errors = load(path)
    known = set()
    for _, text in lambada:
        known |= ngrams(words_of(text), LAMBADA_NGRAM)
    for number, text in texts:
        for gram in sorted(ngrams(words_of(text), LAMBADA_NGRAM) & known):
            errors.append(f"line {number}: shares the {LAMBADA_NGRAM}-gram {' '.join(gram)!r} with LAMBADA")
    return errors


def print_summary(texts, targets, seen, stock):
    total = len(texts)
    lengths = sorted(len(text.split()) for _, text in texts)
    names = sum(target[0].isupper() for target in targets)
    dialogue = sum('"' in text for _, text in texts)
    standard_error = 100 * (0.25 / total) ** 0.5
    print(f"passages                      {total}")
    print(f"words per passage             min {lengths[0]}, median {lengths[total // 2]}, max {lengths[-1]}, sum {sum(lengths)}")
    print(f"distinct targets              {len(set(targets))} (most repeated: {Counter(targets).most_common(1)[0][1]} times)")
    print(f"capitalised targets (names)   {names} ({100 * names / total:.1f} %)")
    print(f"targets seen in the passage   {seen} ({100 * seen / total:.1f} %)")
    print(f"passages with dialogue        {dialogue} ({100 * dialogue / total:.1f} %)")
    print(f"distinct first words          {len({words_of(text)[0] for _, text in texts})}")
    print(f"{STOCK_NGRAM}-grams in two passages      {len(stock)}")
    print(f"standard error of an accuracy at most {standard_error:.1f} points")


def main():
    parser = argparse.ArgumentParser(description="Check a cloze set and print its statistics.")
    parser.add_argument("set", nargs="?", default=DEFAULT_SET, help="JSONL file (default: models/cloze/cloze.jsonl)")
    parser.add_argument("--lambada", metavar="FILE", help="LAMBADA JSONL file that no passage may overlap")
    options = parser.parse_args()
    try:
        texts, errors = load(options.set)
        if options.lambada:
            errors += check_against_lambada(texts, options.lambada)
    except (OSError, UnicodeDecodeError) as error:
        print(f"cannot read: {error}", file=sys.stderr)
        return 2
    for number, text in texts:
        errors += check_form(number, text)
    if len(texts) < MIN_PASSAGES:
        errors.append(f"{len(texts)} passages, at least {MIN_PASSAGES} expected")
    # Texts without a word have been reported by check_form; they have no statistics.
    texts = [(number, text) for number, text in texts if words_of(text)]
    if texts:
        targets = [text.rsplit(" ", 1)[-1] for _, text in texts]
        seen = sum(words_of(t)[-1] in words_of(t)[:-1] for _, t in texts)
        stock = shared_ngrams(texts, STOCK_NGRAM)
        errors += check_repetition(texts, targets, stock)
        low, high = TARGET_SEEN_SHARE
        if not low <= seen / len(texts) <= high:
            errors.append(f"target seen in {seen / len(texts):.2f} of the passages, expected {low} to {high}")
        print_summary(texts, targets, seen, stock)
    for error in errors:
        print(f"violation: {error}")
    print("ok" if not errors else f"{len(errors)} violations")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
