"""One text of 32,768 tokens through M2-BERT-80M-32k on the CPU: time and peak resident memory.

The model has seeded weights (`m2 init m2-bert-80m-32k`), the text is words of one token each, and
what runs is `m2 embed`: the vector at the end is the pooled [CLS]. With --torch the vector is
compared with the PyTorch port's (takes minutes and 8 GB). Needs only Python and the m2 binary
otherwise:

    python tests/bench/long.py
"""

import json
import math
import os
import subprocess
import sys
import time

from common import HERE, machine, options, parse, seeded

LIMIT_GB = 2.5


def embed(args, folder, source):
    """(vector and its token count, seconds, peak bytes) of one `m2 embed`."""
    line = [args.m2, "--threads", args.threads, "embed", "--model", folder, "--pad", "none", "--input", source]
    start = time.perf_counter()
    process = subprocess.Popen(list(map(str, line)), stdout=subprocess.PIPE, text=True)
    out = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"m2 embed failed with exit code {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return json.loads(out), time.perf_counter() - start, used.ru_maxrss * unit


def port(folder, text):
    """The PyTorch port's pooled vector of the same text, in a process of its own."""
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1])\n"
        "import torch; from m2_bert_torch import M2Bert; from tokenizers import BertWordPieceTokenizer\n"
        "ids = BertWordPieceTokenizer(sys.argv[2] + '/vocab.txt').encode(sys.stdin.read()).ids\n"
        "model = M2Bert(sys.argv[2])\n"
        "print(json.dumps(model.pool(model.encode(torch.tensor([ids])))[0].tolist()))"
    )
    line = [sys.executable, "-c", code, str(HERE), str(folder)]
    return json.loads(subprocess.run(line, input=text, capture_output=True, text=True, check=True).stdout)


def main():
    parser = options(__doc__)
    parser.add_argument("--tokens", type=int, default=32768, help="tokens (default 32768)")
    parser.add_argument("--rounds", type=int, default=3, help="runs (default 3)")
    parser.add_argument("--torch", action="store_true", help="compare the vector with PyTorch's")
    args = parse(parser)
    folder = seeded(args, "m2-bert-80m-32k")
    words = "time year people way day man thing woman life child world school state family".split()
    text = " ".join(words[i * i % len(words)] for i in range(args.tokens - 2))
    source = folder.parent / "long.txt"
    source.write_text(text + "\n")
    print(machine(), flush=True)
    worst = 0
    for _ in range(args.rounds):
        record, seconds, peak = embed(args, folder, source)
        worst = max(worst, peak / 1e9)
        vector = record["embedding"]
        if record["tokens"] != args.tokens or record["cut"] or not all(map(math.isfinite, vector)):
            sys.exit(f"unexpected record: {record['tokens']} tokens, {record['cut']} cut")
        print(f"{args.tokens} tokens: {seconds:.2f} s, {args.tokens / seconds:.0f} tokens/s, "
              f"peak {peak / 1e9:.2f} GB", flush=True)
    print(f"peak memory under {LIMIT_GB} GB: {'yes' if worst < LIMIT_GB else 'NO'}")
    if args.torch:
        theirs = port(folder, text)
        error = max(abs(a - b) for a, b in zip(vector, theirs)) / max(map(abs, theirs))
        print(f"PyTorch's vector of the same text: largest difference {error:.1e} of the maximum")
        sys.exit(error > 1e-3)


if __name__ == "__main__":
    main()
