"""M2-BERT in plain PyTorch: the peer that forward.py and long.py measure the CPU engine against.

Written from the model's formulas with torch.nn.functional and torch.fft only, and loaded from a
model folder (config.json, model.safetensors with the public names). By default the implicit filters
are computed at every forward, as the public reference does; `keep_spectra(length)` keeps their
transforms instead, which nothing but the input then follows.

    python tests/bench/m2_bert_torch.py tests/golden/m2bert/m2_*

checks it against golden folders: every value it shares with io.safetensors, in both modes.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file


def linspace(a, b, n):
    """torch.linspace in float32, as the reference builds its tables."""
    return torch.linspace(a, b, n, dtype=torch.float32)


class Filter:
    """The kernels of one long convolution, from sines of positions."""

    def __init__(self, tensors, prefix, hidden, w_mod):
        get = lambda name: tensors.get(prefix + name)
        self.bias, self.z = get("bias"), get("pos_emb.z")[0]
        dtype, n = self.z.dtype, len(self.z)
        t, deltas = get("pos_emb.t"), get("modulation.deltas")
        t = linspace(0, 1, n).to(dtype) if t is None else t.flatten()
        if deltas is None:
            slow, fast = math.log(1e-2) / 1.5, math.log(1e-2) / 0.3
            deltas = linspace(slow, fast, hidden).to(dtype)
        self.t, self.deltas = t, deltas.flatten().abs()
        self.freq = w_mod * get("implicit_filter.1.freq")
        names = ["implicit_filter"] + ["implicit_filter_rev"] * (prefix + "implicit_filter_rev.0.weight" in tensors)
        self.mlps = [
            [(get(f"{name}.{i}.weight"), get(f"{name}.{i}.bias")) for i in (0, 2, 4, 6)] for name in names
        ]

    def kernels(self, length):
        """[k] or [k, k_rev], each (H, L)."""
        decay = torch.exp(-self.t[:length, None] * self.deltas)
        kernels = []
        for layers in self.mlps:
            h = self.z[:length]
            for weight, bias in layers[:-1]:
                h = torch.sin(self.freq * F.linear(h, weight, bias))
            kernels.append((F.linear(h, layers[-1][0]) * decay).T)
        return kernels

    def spectrum(self, length):
        """The transform (H, L + 1) of the kernel of length 2L, backward lags in its upper half."""
        kernels = self.kernels(length)
        kernel = F.pad(kernels[0], (0, length))
        if len(kernels) == 2:
            kernel = kernel + F.pad(kernels[1].flip(-1), (length, 0))
        return torch.fft.rfft(kernel)


class M2Bert:
    """Encoder, pooler and masked language model head of one model folder."""

    def __init__(self, folder, dtype=torch.float32):
        folder = Path(folder)
        self.config = config = json.loads((folder / "config.json").read_text())
        raw = load_file(folder / "model.safetensors")
        self.w = w = {
            name.removeprefix("model."): t.to(dtype) if t.is_floating_point() else t for name, t in raw.items()
        }
        self.layers = range(config["num_hidden_layers"])
        self.hidden = w["bert.embeddings.word_embeddings.weight"].shape[1]
        self.eps = config.get("layer_norm_eps", 1e-12)
        self.filters, self.kept = {}, {}
        for i in self.layers:
            for name in ("filter_fn", "filter_fn2"):
                prefix = f"bert.encoder.layer.{i}.attention.{name}."
                if prefix + "bias" in w:
                    self.filters[i, name] = Filter(w, prefix, self.hidden, config.get("hyena_w_mod", 1))

    def keep_spectra(self, length):
        """From now on convolve texts of this length with kept spectra, D folded into them."""
        self.kept = {
            key: (length, f.spectrum(length) + f.bias[:, None]) for key, f in self.filters.items()
        } if length else {}

    def norm(self, x, name, eps=None):
        w = self.w
        return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], eps or self.eps)

    def convolve(self, x, key):
        """Long convolution of x (B, H, L), the D term included."""
        length, n = x.shape[-1], 2 * x.shape[-1]
        kept_length, spectrum = self.kept.get(key, (None, None))
        xf = torch.fft.rfft(x, n=n)
        if kept_length == length:
            return torch.fft.irfft(xf * spectrum, n=n)[..., :length]
        filter = self.filters[key]
        y = torch.fft.irfft(xf * filter.spectrum(length), n=n)[..., :length]
        return y + x * filter.bias[:, None]

    def mixer(self, u, i):
        w, p = self.w, f"bert.encoder.layer.{i}.attention."
        if p + "layernorm.weight" in w:
            u = self.norm(u, p + "layernorm", 1e-5)
        length = u.shape[1]
        c = F.linear(u, w[p + "in_linear.weight"], w[p + "in_linear.bias"]).transpose(1, 2)
        taps, bias = w[p + "short_filter.weight"], w[p + "short_filter.bias"]
        c = F.conv1d(c, taps, bias, padding=2, groups=3 * self.hidden)[..., :length]
        x1, x2, v = c.split(self.hidden, dim=1)
        y = self.convolve(v * x1, (i, "filter_fn")) * x2
        if (i, "filter_fn2") in self.filters:
            y = y + self.convolve(u.transpose(1, 2), (i, "filter_fn2"))
        return F.linear(y.transpose(1, 2), w[p + "out_linear.weight"], w[p + "out_linear.bias"])

    def blocks(self, x, weight):
        """x (B, L, nb·p) times a block-diagonal matrix (nb, q, p); a plain one if of two axes."""
        if weight.dim() == 2:
            return F.linear(x, weight)
        nb, q, p = weight.shape
        x = x.reshape(-1, nb, p).transpose(0, 1)
        out = x.new_empty(x.shape[1], nb, q).transpose(0, 1)
        torch.bmm(x, weight.transpose(1, 2), out=out)
        return out.transpose(0, 1).reshape(-1, nb * q)

    def mlp(self, a, i):
        w, p = self.w, f"bert.encoder.layer.{i}.mlp."
        g = self.blocks(a, w[p + "gated_layers.weight"])
        inner = w[p + "wo.weight"].shape[-1] * (w[p + "wo.weight"].shape[0] if w[p + "wo.weight"].dim() == 3 else 1)
        r = F.gelu(g[..., :inner])
        if g.shape[-1] == 2 * inner:
            r = r * g[..., inner:]
        out = self.blocks(r, w[p + "wo.weight"]).view_as(a) + w[p + "wo.bias"]
        return self.norm(out + a, p + "layernorm")

    @torch.inference_mode()
    def encode(self, ids, types=None, taps=None):
        """Last hidden state (B, L, H) of ids (B, L); taps, a dictionary, takes what lies between."""
        w, e = self.w, "bert.embeddings."
        x = w[e + "word_embeddings.weight"][ids]
        x = x + w[e + "token_type_embeddings.weight"][torch.zeros_like(ids) if types is None else types]
        if self.config.get("use_positional_encodings", True):
            x = x + w[e + "position_embeddings.weight"][: ids.shape[1]]
        x = self.norm(x, e + "LayerNorm")
        taps = {} if taps is None else taps
        taps["embeddings"] = x
        for i in self.layers:
            a = self.mixer(x, i)
            x = self.mlp(a, i)
            taps[f"layer.{i}.mixer_out"], taps[f"layer.{i}.hidden"] = a, x
        return x

    @torch.inference_mode()
    def pool(self, hidden):
        """tanh of the pooler on the first token, (B, H)."""
        w, p = self.w, "bert.pooler.dense."
        return torch.tanh(F.linear(hidden[:, 0], w[p + "weight"], w[p + "bias"]))

    @torch.inference_mode()
    def logits(self, hidden):
        """Logits (B, L, V) of the masked language model."""
        w, p = self.w, "cls.predictions."
        h = F.gelu(F.linear(hidden, w[p + "transform.dense.weight"], w[p + "transform.dense.bias"]))
        h = self.norm(h, p + "transform.LayerNorm")
        return F.linear(h, w["bert.embeddings.word_embeddings.weight"], w[p + "decoder.bias"])


def check(folder):
    """Worst share of its limit that a golden folder's values reach, in both modes."""
    golden = load_file(folder / "io.safetensors")
    exact = load_file(folder / "io_f64.safetensors") if (folder / "io_f64.safetensors").exists() else {}
    beside = folder.parent / "manifest.json"
    listed = json.loads(beside.read_text()) if beside.exists() else {}
    listed = listed.get(f"{folder.name}/io.safetensors", {}).get("tensors", {})
    model, worst = M2Bert(folder), (0.0, "", 0)
    ids, names = golden["input_ids"], {}
    for length in (0, ids.shape[1]):
        model.keep_spectra(length)
        taps = {}
        hidden = model.encode(ids, golden["token_type_ids"], taps)
        taps["mlm_logits"], taps["pooled_cls"] = model.logits(hidden), model.pool(hidden)
        for (i, kind), f in model.filters.items():
            for name, kernel in zip(("k", "k_rev"), f.kernels(ids.shape[1])):
                taps[f"layer.{i}." + name.replace("k", "k2" if kind == "filter_fn2" else "k")] = kernel
        names = {name for name in taps if name in golden}
        for name in names:
            want = golden[name]
            rounding = listed.get(name, {}).get("err_abs")
            if rounding is None:
                rounding = (want - exact[name]).abs().max().item() if name in exact else 0.0
            relative = 1e-5 if ".k" in name else 2e-5
            limit = 10 * rounding + relative * want.abs().max().item()
            error = (taps[name] - want).abs().max().item()
            error = error if math.isfinite(error) else math.inf
            worst = max(worst, (error / limit, name))
    return len(names), worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="golden folders")
    failed = False
    for folder in parser.parse_args().folders:
        count, (share, name) = check(folder)
        failed |= share > 1
        print(f"{folder.name}: {count} tensors, at most {share:.2f} of the limit ({name})")
    sys.exit(failed)


if __name__ == "__main__":
    main()
