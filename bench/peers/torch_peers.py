"""transformers and GPTQModel on the CPU, as peers of paired_speed: installing them and timing one test in a fresh process."""

import json
import pathlib
import subprocess
import sys

from peers import paired_speed

SCRIPT = pathlib.Path(__file__).resolve().with_name("torch_llm_speed.py")
TORCH = ("torch==2.10.0", "torchvision", "transformers==5.24.0", "setuptools>=77", "wheel")
# Its build asks for torch and for a setuptools that knows licence names, so those come first; it uses torchvision and requests without saying so.
GPTQMODEL = ("gptqmodel==7.3.6", "requests", *TORCH)
# Loaders and types beside each of assay's. GPTQModel computes in 16 bits.
MATCHES = {"bfloat16": (("transformers", "bfloat16"), ("transformers", "float32")), "int8": (("GPTQModel", "int8"),),
           "int4": (("GPTQModel", "int4"),), "int2": (("GPTQModel", "int2"),)}

# GPTQModel's fastest on the CPU for each of them: its own choice for 8 and 2 bits unpacks all weights again for every token.
BACKENDS = {"int8": "gptq_torch_int8", "int4": "gptq_torch_aten", "int2": "gptq_torch_int8"}


def python(folder):
    """The interpreter of the environment in `folder`, installed on the first call."""
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = ["nice", str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *TORCH], check=True)
        subprocess.run([*install, "--no-build-isolation", *GPTQMODEL], check=True)
        (folder / "complete").touch()
    return folder / "bin" / "python"


def parse_speed(text):
    """What torch_llm_speed.py printed on its last line; both packages print more before."""
    return json.loads(text.strip().splitlines()[-1])


def sample(interpreter, tool, type_name, folder, test, threads):
    """One run of a test, with a warm-up of its own, as paired_speed wants it."""
    dtype = type_name if tool == "transformers" else "bfloat16"
    command = [str(interpreter), str(SCRIPT), tool.lower(), str(folder), "--test", test, "--threads", str(threads), "--dtype", dtype]
    if tool == "GPTQModel":
        command += ["--backend", BACKENDS[type_name]]
    text, seconds, share = paired_speed.watched_output(command)
    return {**parse_speed(text), "seconds": seconds, "other_cpu_share": share}
