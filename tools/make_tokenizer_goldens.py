#!/usr/bin/env python3
"""Makes tests/goldens/tokenizers/: what Hugging Face `tokenizers` gives for hostile texts and for LAMBADA.

    python tools/make_tokenizer_goldens.py --shared ../shared/data --gguf SmolLM2-135M-Instruct.Q4_1.gguf

Also trains the small tokenizers that cover pipelines of which no real file is at hand. Deterministic.
"""
import argparse
import json
import pathlib
import struct

import tokenizers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "tests" / "goldens" / "tokenizers"

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
GPT4O = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")

TEXTS = [
    "", " ", "  ", "   ", "a", " a", "a ", "Hello world", " Hello world", "Hello  world", "Hello   world ",
    "The quick brown fox jumps over the lazy dog.", "It's Bob's; we'll, they've, I'd, you're, I'm, don't, can't.",
    "IT'S BOB'S; WE'LL, THEY'VE, I'D, YOU'RE, I'M, DON'T 'S 'Ll 'tWAS 'rE 'vE", "'s't're've'm'll'd", "'\u017f '\u017fa x'\u017f",
    "\u2019s \u2019ll it\u2019s", "\"quoted\" \u201ccurly\u201d \u2018single\u2019 \u2013 \u2014 \u2026",
    # emoji: plain, skin tones, ZWJ families, flags, keycaps, variation selectors, tags
    "\U0001F600", "I \u2764\ufe0f you \U0001F44D\U0001F3FD", "\U0001F468\u200d\U0001F469\u200d\U0001F467\u200d\U0001F466 family",
    "\U0001F1E9\U0001F1EA\U0001F1EB\U0001F1F7\U0001F1EF\U0001F1F5", "1\ufe0f\u20e3 2\ufe0f\u20e3",
    "\U0001F3F4\U000E0067\U000E0062\U000E0073\U000E0063\U000E0074\U000E007F", "\U0001F469\U0001F3FF\u200d\U0001F680!",
    # combining marks and what NFC changes
    "e\u0301 \u00e9 cafe\u0301 caf\u00e9", "A\u030a \u00c5 \u212b", "\u1100\u1161\u11a8 \uac01", "q\u0323\u0307 q\u0307\u0323",
    "\u0344 \u0958 \u2126 \ufb01 \u00bd \u2460 \uff21", "Z\u0351\u036b\u0343\u036a\u0302a\u0311\u0357l\u0348\u035cg\u0321o",
    "\u1e9b\u0323 \u0130stanbul \u0131 \u00df \u1e9e \u01c5", "o\u0308\u0304 \u022b", "\u0301 alone, a\u0301\u0301\u0301",
    # scripts
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u3053\u3093\u306b\u3061\u306f\u4e16\u754c\uff01\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645\u060c \u0643\u064e\u062a\u064e\u0628\u064e \u0661\u0662\u0663",
    "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd \u05e2\u05d5\u05dc\u05dd", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01 \u0e19\u0e49\u0e33",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e \u0967\u0968\u0969", "\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440 \u0401\u043b\u043a\u0430",
    "\u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5 \u039a\u03cc\u03c3\u03bc\u03b5 \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "\U00020000\U0002A6D6 \U0001D400\U0001D7D9 \U00010330",
    # white space of all kinds
    "a\u00a0b \u00a0c\u00a0 d", "a\u3000b\u3000\u3000c", "a\u2003b\u2009c\u200ad\u202fe\u205ff", "a\u1680b\u180ec\u200bd\ufeffe\u2060f",
    "a\u0085b\u2028c\u2029d", "\t", "\t\tindent\tmid\t", "a\r\nb\r\n\r\nc\rd\n\re", "\n", "\n\n\n", " \n \n ", "   \n\n   x", "x \n", "x  \n  y",
    " " * 7 + "seven", " " * 31, "x" + " " * 80 + "y", "a\x0bb\x0cc\x1cd\x1fe", "\u00a0", "\u00a0\u00a0 ", "\u3000 x",
    # control characters, NUL, non-characters, private use, extremes
    "a\x00b", "\x00", "\x00\x00\x01\x02\x07\x08\x1b[31mred\x1b[0m\x7f\x80\x9f", "\ufffe \uffff \U0010ffff \ue000 \U000f0000",
    "\ufffd", "\u200e\u200f\u202e\u202c rtl", "\U000e0001", "\ud7ff\ue000",
    # long words and runs
    "a" * 300, "ab" * 200, "Donaudampfschifffahrtselektrizit\u00e4tenhauptbetriebswerkbauunterbeamtengesellschaft",
    "\u4e2d" * 100, "!" * 50, "=" * 64 + "\n" + "-" * 63, "aaaaaaaaab" * 9, "\U0001F600" * 20, "haha" * 30 + "!?" * 12,
    # special-token look-alikes
    "<s>", "</s>", "<s>Hello</s>", "a<s>b", "a <s> b", " <s>", "<s> <s>", "<unk> <pad> < s > <S> <<s>> <s", "<|endoftext|>",
    "Hello<|endoftext|>world", "<|endoftext|> <|endoftext|>\n", "<|endoftext |> <|endoftext", "<|padding|><|im_start|>user\nHi<|im_end|>\n",
    "<|im_start|>", "<0x0A> <0x41> <0xZZ> <0xff>", "[CLS] [SEP] [MASK] [EMPTY_3]", "\u2581 \u2581\u2581a\u2581", "\u2581Hello\u2581world", "\u0120Hello\u010a",
    "<|begin_of_text|>x<|end_of_text|>", "<bos><start_of_turn>user\nhi<end_of_turn>\n<eos>", "<h1>x</h1>", "  <mask>  x<mask>y <mask>. word words sword word's",
    # digits
    "0 1 12 123 1234 12345 123456 1234567", "3.14159 -1e-10 0x1F 1,000,000.00 50% $5 \u20ac5 #1 1st", "2024-02-29T23:59:59Z",
    "\u00b2\u00b3\u00b9 \u2167 \u2460 \u00bd \u0663\u0664 \uff11\uff12 \u3021", "a1b2c3 1a2b 12ab34", " 1 2  3   4", "1\n2\n\n3",
    # URLs, mail, paths, code
    "https://www.example.com/path/to?query=1&x=%20#frag mailto:a.b+c@d-e.org C:\\dir\\file.txt ~/x/../y.tar.gz",
    "def f(x: int) -> str:\n    \"\"\"Doc.\"\"\"\n    return f\"{x!r:>10}\"  # comment\n\n\tif x == 1: pass\n",
    "for (int i = 0; i < n; ++i) { a[i] += b[i] * 2.0f; } // end\n#include <vector>\n", "SELECT * FROM t WHERE a='b' AND c<>\"d\";",
    "{\"key\": [1, 2.5, null, true], \"nested\": {\"a\\n\": \"\\u00e9\"}}", "<div class=\"x\">&nbsp;&amp;</div>", "$\\alpha_{i}^{2} \\ne \\frac{1}{2}$",
    "camelCase snake_case SCREAMING_CASE kebab-case XMLHttpRequest iPhone15Pro", "a_b__c___d", "__init__", "...", "..", "?!", "a.b.c.", "(a)[b]{c}",
    # mixtures
    "Mixed \u4e2d\u6587and\u65e5\u672c\u8a9etext\u0440\u0443\u0441 123\u00e9\U0001F600!", "na\u00efve r\u00e9sum\u00e9 \u2014 \u00fcber \u0153uvre \u0141\u00f3d\u017a",
    "line one\nline two\r\n\tline three   \n\n\n    line four\u00a0\n", "\"Well,\" she said, \"I don't know.\"\n\n\"You'll see,\" he'd answered...",
    "trailing spaces   ", "   leading spaces", "tab\t space \ttab", " .", " ,a", "a ,b", "A\u00a0'S b\u00a0's", "x\u0301's \u0301s '\u0301s",
]

TRAINING = [
    "The tokenizers of language models cut text into pieces. It's done by merging the most frequent pairs of pieces.",
    "When the merging stops, every piece has a number; don't worry, we'll see that they're all the same in the end.",
    "She'd said that it was the 1st of 100 or 1000 things, in 2024, and that the others weren't as important as this.",
    "Le caf\u00e9 est tr\u00e8s bon. Die Stra\u00dfe ist sch\u00f6n, \u00fcber alles. \u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440. \u4f60\u597d\u4e16\u754c\u3002 \u3053\u3093\u306b\u3061\u306f\u4e16\u754c",
    "def merge(pairs):\n    for pair in pairs:\n        if pair in ranks:\n            return ranks[pair]\n    return None\n",
    "the then there these other mother weather whether together, and a hand in the sand; the band at the end of the land",
]


def fnv1a(data, state=0xCBF29CE484222325):
    for byte in data:
        state = (state ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return state


def byte_level_tokenizer(vocab, merges, pre_tokenizer, special):
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    return tokenizer


def gpt2(shared):
    folder = shared / "tokenizers" / "gpt2"
    vocab = json.loads((folder / "vocab.json").read_text())
    lines = (folder / "merges.txt").read_text().split("\n")
    merges = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
    return byte_level_tokenizer(vocab, merges, pre_tokenizers.ByteLevel(add_prefix_space=False), ["<|endoftext|>"])


def llama2(shared):
    """Three merges of the file are of tokens that hold spaces; `tokenizers` reads those only as pairs."""
    data = json.loads((shared / "tokenizers" / "llama2" / "tokenizer.json").read_text())
    vocab = data["model"]["vocab"]
    pairs = []
    for line in data["model"]["merges"]:
        cuts = [i for i, c in enumerate(line) if c == " "]
        found = [(line[:i], line[i + 1:]) for i in cuts
                 if line[:i] in vocab and line[i + 1:] in vocab and line[:i] + line[i + 1:] in vocab]
        if len(cuts) == 1:
            found = [tuple(line.split(" "))]
        assert len(found) == 1, line
        pairs.append(found[0])
    data["model"]["merges"] = pairs
    return Tokenizer.from_str(json.dumps(data))


def smollm2(gguf_path):
    from gguf import GGUFReader
    fields = GGUFReader(gguf_path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
    types = fields["tokenizer.ggml.token_type"].contents()
    pre = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                   pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    return byte_level_tokenizer({token: i for i, token in enumerate(tokens)}, merges, pre,
                                [token for token, kind in zip(tokens, types) if kind == 3])


def trained_byte_level(pattern, special, ignore_merges=False, normalizer=None):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"),
         pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=520, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
                                  show_progress=False)
    tokenizer.train_from_iterator(TRAINING, trainer)
    tokenizer.add_special_tokens(special)
    return tokenizer


def llama3_style():
    tokenizer = trained_byte_level(LLAMA3, ["<|begin_of_text|>", "<|end_of_text|>"], ignore_merges=True)
    template = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
        special_tokens=[("<|begin_of_text|>", tokenizer.token_to_id("<|begin_of_text|>"))])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    return tokenizer


def qwen2_style():
    tokenizer = trained_byte_level(QWEN2, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], normalizer=normalizers.NFC())
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def gpt4o_style():
    return trained_byte_level(GPT4O, ["<|endoftext|>"])


def sentencepiece_style(special, normalizer, pre_tokenizer, decoder, template, extra_added=()):
    """A model like those converted from SentencePiece: special tokens first, then bytes, then trained pieces."""
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Replace(" ", "\u2581")
    trained.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    trained.train_from_iterator(TRAINING, trainers.BpeTrainer(vocab_size=330, show_progress=False))
    model = json.loads(trained.to_str())["model"]
    pieces = special + [f"<0x{byte:02X}>" for byte in range(256)]
    pieces += [piece for piece, _ in sorted(model["vocab"].items(), key=lambda entry: entry[1])]
    tokenizer = Tokenizer(models.BPE(vocab={piece: i for i, piece in enumerate(pieces)},
                                     merges=[tuple(merge) for merge in model["merges"]],
                                     unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder
    if template:
        names = [name for name in template.split() if not name.startswith("$")]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=template, special_tokens=[(name, special.index(name)) for name in names])
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens(list(extra_added))
    return tokenizer


def gemma_style():
    added = tokenizers.AddedToken
    return sentencepiece_style(
        ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"], normalizers.Replace(" ", "\u2581"),
        pre_tokenizers.Split(" ", "merged_with_previous"),
        decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]), "<bos> $A",
        [added("\n\n", normalized=False), added("\u2581\u2581", normalized=False), added("<h1>", normalized=False)])


def metaspace_style():
    """Llama 2 as it is written today: Metaspace instead of a normalizer; added tokens with every flag."""
    added = tokenizers.AddedToken
    tokenizer = sentencepiece_style(
        ["<unk>", "<s>", "</s>"], normalizers.Sequence([]), pre_tokenizers.Metaspace(prepend_scheme="first", split=False),
        decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(),
                           decoders.Strip(" ", 1, 0)]), "<s> $A </s>",
        [added("<mask>", lstrip=True, normalized=False), added("<|im_start|>", rstrip=True, normalized=False),
         added("word", single_word=True, normalized=False)])
    return tokenizer


def folding_style():
    """Steps that no large model uses together: folding, removal, runs of digits, Metaspace with pieces."""
    added = tokenizers.AddedToken
    return sentencepiece_style(
        ["<unk>", "<s>", "</s>"],
        normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip(),
                              normalizers.Replace(Regex(r"\s{2,}"), " "), normalizers.Replace("...", "\u2026")]),
        pre_tokenizers.Sequence([pre_tokenizers.Split(";", "removed"), pre_tokenizers.Digits(individual_digits=False),
                                 pre_tokenizers.Split(Regex(r"\p{P}"), "contiguous"),
                                 pre_tokenizers.Split(Regex(r"[a-z]+"), "merged_with_next", invert=True),
                                 pre_tokenizers.Metaspace(prepend_scheme="always", split=True)]),
        decoders.Metaspace(), "$A </s>", [added("IPHONE", normalized=True), added("<mask>", lstrip=True, rstrip=True, normalized=False)])


def decode_plainly(tokenizer):
    """Added tokens decode to their content. For "normalized" ones tokenizers 0.23 gives their normalized form instead,
    and does not recognize it as special; the copy says "not normalized", which changes nothing else in decoding."""
    data = json.loads(tokenizer.to_str())
    for token in data["added_tokens"]:
        token["normalized"] = False
    return Tokenizer.from_str(json.dumps(data))


def golden_of(tokenizer):
    plain = decode_plainly(tokenizer)
    ids, decoded = [], []
    for text in TEXTS:
        encoded = tokenizer.encode(text, add_special_tokens=False).ids
        back = plain.decode(encoded, skip_special_tokens=True)
        ids.append(encoded)
        decoded.append(None if back == text else back)
    with_special = tokenizer.encode("x").ids
    bare = tokenizer.encode("x", add_special_tokens=False).ids
    at = next((i for i in range(len(with_special)) if with_special[i:i + len(bare)] == bare), 0)
    return {"before": with_special[:at], "after": with_special[at + len(bare):], "ids": ids, "decoded": decoded}


def lambada_of(tokenizer, lines):
    state, tokens = 0xCBF29CE484222325, 0
    for encoding in tokenizer.encode_batch(lines, add_special_tokens=False):
        tokens += len(encoding.ids)
        state = fnv1a(struct.pack(f"<{len(encoding.ids) + 1}i", len(encoding.ids), *encoding.ids), state)
    return {"lines": len(lines), "tokens": tokens, "fnv1a64": f"{state:016x}"}


def dump(path, data, indent=None):
    separators = (",", ":") if indent is None else None
    path.write_text(json.dumps(data, indent=indent, separators=separators) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--gguf", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)

    real = {"gpt2": gpt2(arguments.shared), "llama2": llama2(arguments.shared),
            "gpt-neox-20b": Tokenizer.from_file(str(arguments.shared / "tokenizers" / "gpt-neox-20b" / "tokenizer.json")),
            "smollm2": smollm2(arguments.gguf)}
    small = {"llama3_style": llama3_style(), "qwen2_style": qwen2_style(), "gpt4o_style": gpt4o_style(),
             "gemma_style": gemma_style(), "metaspace_style": metaspace_style(), "folding_style": folding_style()}
    lines = [json.loads(line)["text"] for line in (arguments.shared / "lambada" / "lambada_test.jsonl").open()]

    dump(OUT / "texts.json", TEXTS)
    for name, tokenizer in small.items():
        dump(OUT / f"{name}.tokenizer.json", json.loads(tokenizer.to_str()))
    for name, tokenizer in {**real, **small}.items():
        dump(OUT / f"{name}.golden.json", golden_of(tokenizer))
    dump(OUT / "lambada.json", {name: lambada_of(tokenizer, lines) for name, tokenizer in {**real, **small}.items()}, indent=1)
    print("tokenizers", tokenizers.__version__)


if __name__ == "__main__":
    main()
