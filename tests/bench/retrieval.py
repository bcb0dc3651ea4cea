"""Retrieval with all-MiniLM-L6-v2 on SQuAD's development set, ours beside sentence-transformers.

600 of its questions (file order, every 17.6th) look for their paragraph among 2,067, texts cut at
256 tokens. Vectors come from sentence-transformers and from `m2 embed`; `m2 search` answers in its
three modes from a folder with a file for each paragraph; BM25 (k1 1.2, b 0.75), sums of z-scores
and reciprocal rank fusion are computed here as references.

Set up once with tests/bench/setup.sh and `cargo build --release -p m2-cli`, then:

    ~/.cache/m2/bench/venv/bin/python tests/bench/retrieval.py
    ~/.cache/m2/bench/venv/bin/python tests/bench/retrieval.py --questions 60
"""

import collections
import json
import math
import re
import sys
import tempfile
from pathlib import Path

import numpy as np

from common import HOME, call, machine, options, parse, table

PARAGRAPHS, QUESTIONS, SAMPLE = 2067, 10565, 600


def squad():
    """(paragraphs, [(question, index of its paragraph)]), in file order."""
    path = HOME / "squad-dev.json"
    if not path.exists():
        sys.exit(f"{path} does not exist: run tests/bench/setup.sh")
    paragraphs, questions = [], []
    for article in json.loads(path.read_text())["data"]:
        for paragraph in article["paragraphs"]:
            questions += [(qa["question"], len(paragraphs)) for qa in paragraph["qas"]]
            paragraphs.append(paragraph["context"])
    found = (len(paragraphs), len(questions))
    if found != (PARAGRAPHS, QUESTIONS):
        sys.exit(f"{path}: expected {PARAGRAPHS} paragraphs and {QUESTIONS} questions, found {found}")
    return paragraphs, questions


def theirs(args, texts):
    """Vectors of sentence-transformers."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(args.threads)
    model = SentenceTransformer(str(args.model), device="cpu")
    model.max_seq_length = 256
    return model.encode(texts, batch_size=32, normalize_embeddings=True)


def ours(args, texts, scratch):
    """Vectors of `m2 embed`."""
    source, output = scratch / "texts.jsonl", scratch / "vectors.npy"
    source.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
    call(args, "embed", "--model", args.model, "--max-length", 256, "--input", source, "--output", output)
    return np.load(output)


def searched(args, folder, index, question, mode):
    """Indices of the paragraphs that `m2 search` answers, best first."""
    line = ["search", "--model", args.model, "--docs", folder, "--index", index, "--mode", mode]
    # Exit code 1 says that nothing was found.
    done = json.loads(call(args, *line, "--top", 10, "--json", "--", question, allow=(0, 1)))
    return [int(Path(hit["path"]).stem) for hit in done["hits"]]


def bm25(paragraphs, questions, k1=1.2, b=0.75):
    """Scores (questions, paragraphs)."""
    words = lambda text: re.findall(r"\w+", text.lower())
    counts = [collections.Counter(words(p)) for p in paragraphs]
    lengths = np.array([sum(c.values()) for c in counts], dtype=float)
    postings = collections.defaultdict(list)
    for i, c in enumerate(counts):
        for word, n in c.items():
            postings[word].append((i, n))
    scores = np.zeros((len(questions), len(paragraphs)))
    norm = k1 * (1 - b + b * lengths / lengths.mean())
    for row, question in zip(scores, questions):
        for word in words(question):
            hits = postings.get(word, [])
            idf = math.log(1 + (len(paragraphs) - len(hits) + 0.5) / (len(hits) + 0.5))
            for i, n in hits:
                row[i] += idf * n * (k1 + 1) / (n + norm[i])
    return scores


def z(scores):
    deviation = scores.std(1, keepdims=True)
    return (scores - scores.mean(1, keepdims=True)) / np.where(deviation > 0, deviation, 1)


def fused(*scores, k=60):
    """Reciprocal rank fusion."""
    ranks = [np.argsort(np.argsort(-s, axis=1, kind="stable"), axis=1) + 1 for s in scores]
    return sum(1 / (k + r) for r in ranks)


def quality(scores, gold):
    """(R@1, MRR@10)."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    return of_lists(best.tolist(), gold)


def of_lists(lists, gold):
    ranks = [found.index(g) + 1 if g in found[:10] else math.inf for found, g in zip(lists, gold)]
    return sum(r == 1 for r in ranks) / len(ranks), sum(1 / r for r in ranks) / len(ranks)


def main():
    parser = options(__doc__)
    model = Path.home() / ".cache/m2/models/all-MiniLM-L6-v2"
    parser.add_argument("--model", type=Path, default=model, help="its folder (default: where `m2 pull` puts it)")
    parser.add_argument("--questions", type=int, default=SAMPLE, help="questions asked (default 600)")
    parser.add_argument("--without-search", action="store_true", help="leave out `m2 search`")
    args = parse(parser)
    paragraphs, every = squad()
    chosen = [every[i * QUESTIONS // args.questions] for i in range(args.questions)]
    questions, gold = [q for q, _ in chosen], [p for _, p in chosen]
    print(machine(), flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        reference = theirs(args, paragraphs + questions)
        vectors = ours(args, paragraphs + questions, scratch)
        norms = lambda v: np.linalg.norm(v, axis=1)
        cosine = (reference * vectors).sum(1) / (norms(reference) * norms(vectors))
        n = len(paragraphs)
        near = {"theirs": reference[n:] @ reference[:n].T, "ours": vectors[n:] @ vectors[:n].T}
        words = bm25(paragraphs, questions)
        results = {
            "sentence-transformers": quality(near["theirs"], gold),
            "m2 embed": quality(near["ours"], gold),
            "reference: BM25": quality(words, gold),
            "reference: sum of z-scores": quality(z(near["theirs"]) + z(words), gold),
            "reference: reciprocal rank fusion": quality(fused(near["theirs"], words), gold),
        }
        folder, index = scratch / "paragraphs", scratch / "index.sqlite"
        folder.mkdir()
        for i, paragraph in enumerate(paragraphs):
            (folder / f"{i:04}.txt").write_text(paragraph)
        for mode in () if args.without_search else ("keyword", "hybrid", "vector"):
            lists = [searched(args, folder, index, question, mode) for question in questions]
            results[f"m2 search --mode {mode}"] = of_lists(lists, gold)

    table(["", "R@1", "MRR@10"], [[name, f"{r:.4f}", f"{m:.4f}"] for name, (r, m) in results.items()])
    print(f"\ncosine of the {len(cosine)} vectors: mean {cosine.mean():.7f}, least {cosine.min():.7f}")
    pairs = zip(results["m2 embed"], results["sentence-transformers"])
    good = cosine.mean() >= 0.99999 and all(abs(a - b) <= 0.005 for a, b in pairs)
    print("agrees with sentence-transformers" if good else "DIFFERS from sentence-transformers")
    sys.exit(not good)


if __name__ == "__main__":
    main()
