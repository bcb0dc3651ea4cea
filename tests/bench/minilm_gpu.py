"""all-MiniLM-L6-v2 on a GPU: the vectors of 100 questions and 300 paragraphs beside the CPU's.

Questions and paragraphs are SQuAD's development set (tests/bench/setup.sh fetches it), spread over
the file, cut at 256 tokens. Every cosine has to be at least 1 - 1e-5. Needs only Python and the m2
binary otherwise:

    python tests/bench/minilm_gpu.py
    VK_DRIVER_FILES=/usr/share/vulkan/icd.d/lvp_icd.x86_64.json python tests/bench/minilm_gpu.py --device llvmpipe
"""

import json
import math
import sys
import tempfile
import time
from pathlib import Path

from common import HOME, call, machine, options, parse

QUESTIONS, PARAGRAPHS, LEAST = 100, 300, 1 - 1e-5


def texts():
    """Every so many questions and paragraphs of the file."""
    path = HOME / "squad-dev.json"
    if not path.exists():
        sys.exit(f"{path} does not exist: run tests/bench/setup.sh")
    paragraphs = [p for article in json.loads(path.read_text())["data"] for p in article["paragraphs"]]
    questions = [qa["question"] for p in paragraphs for qa in p["qas"]]
    spread = lambda all, n: [all[i * len(all) // n] for i in range(n)]
    return spread(questions, QUESTIONS) + [p["context"] for p in spread(paragraphs, PARAGRAPHS)]


def vectors(args, device, source):
    """Vectors on a device, and the seconds they took."""
    start = time.perf_counter()
    line = ["embed", "--model", args.model, "--device", device, "--max-length", 256, "--input", source]
    lines = call(args, *line).splitlines()
    return [json.loads(line)["embedding"] for line in lines], time.perf_counter() - start


def cosine(a, b):
    dot = lambda x, y: math.fsum(p * q for p, q in zip(x, y))
    return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))


def main():
    parser = options(__doc__)
    parser.add_argument("--model", default="all-MiniLM-L6-v2", help="the model (default %(default)s)")
    parser.add_argument("--device", default="gpu", help="the GPU (default %(default)s)")
    args = parse(parser)
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "texts.jsonl"
        source.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts()))
        cpu, cpu_seconds = vectors(args, "cpu", source)
        gpu, gpu_seconds = vectors(args, args.device, source)
    found = [cosine(a, b) for a, b in zip(cpu, gpu, strict=True)]
    print(f"{len(found)} texts, {args.device} {gpu_seconds:.1f} s, cpu {cpu_seconds:.1f} s")
    print(f"cosine: least 1 - {1 - min(found):.1e}, mean 1 - {1 - sum(found) / len(found):.1e}")
    if len(found) != QUESTIONS + PARAGRAPHS or min(found) < LEAST:
        sys.exit("FAILED")


if __name__ == "__main__":
    main()
