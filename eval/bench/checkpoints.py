"""Checkpoints with random weights and real files, to run BGE-M3's code without a download."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from indexes.encoders.torch_runtime import quiet_loading

WORDS_EN = """
index passage vector sentence query lexical dense sparse reader window answer source model network batch token storage
memory cluster engine ranking score margin weight measure report figure chapter section table history river mountain
harbour bridge railway station market school library museum garden winter summer morning evening quickly slowly almost
never often rather between against without under builds finds keeps returns measures compares
""".split()  # noqa: SIM905 (readable as words)
WORDS_ZH = """
索引 段落 向量 句子 问题 词汇 稠密 稀疏 读者 窗口 答案 来源 模型 网络 批次 存储 内存 集群 引擎 排名 分数 权重 测量
报告 章节 表格 历史 河流 山脉 港口 桥梁 铁路 车站 市场 学校 图书馆 博物馆 花园 冬天 夏天 早晨 傍晚 很快 慢慢 几乎
从不 经常 之间 反对 没有 建立 找到 保留 返回 比较
""".split()  # noqa: SIM905 (readable as words)


def made_up_sentences(count: int, *, seed: int = 0) -> list[str]:
    """Return English and Chinese sentences in turn, of 4 to about 90 words (log-normal, as in real documents).

    >>> made_up_sentences(3) == made_up_sentences(3)
    True
    """
    chance = random.Random(seed)
    sentences = []
    for i in range(count):
        length = min(90, 4 + int(chance.lognormvariate(2.6, 0.6)))
        if i % 2:
            sentences.append("".join(chance.choice(WORDS_ZH) for _ in range(length)) + "。")
        else:
            sentences.append(" ".join(chance.choice(WORDS_EN) for _ in range(length)).capitalize() + ".")
    return sentences


def bge_m3_checkpoint(
    folder: Path,
    texts: Sequence[str],
    *,
    hidden: int = 64,
    layers: int = 2,
    heads: int = 4,
    vocabulary: int = 400,
    positions: int = 514,
    seed: int = 0,
) -> Path:
    """Write a checkpoint like BGE-M3: XLM-R, its tokenizer, both heads, and the sentence-transformers files.

    Args:
        texts: texts to train a sentencepiece model on, of at most ``vocabulary`` pieces.
        hidden, layers, heads: 1024, 24 and 16 in BGE-M3. The size of the vocabulary does not affect speed.
        positions: maximum number of tokens per text, plus 2.
    """
    import torch
    from transformers import XLMRobertaModel

    torch.manual_seed(seed)
    config = xlmr_shape(folder, texts, vocabulary, hidden, layers, heads, positions)
    with quiet_loading():
        XLMRobertaModel(config).eval().save_pretrained(folder)
    torch.save(torch.nn.Linear(hidden, 1).state_dict(), folder / "sparse_linear.pt")
    torch.save(torch.nn.Linear(hidden, hidden).state_dict(), folder / "colbert_linear.pt")
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    _write(
        folder / "modules.json",
        [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(modules)
        ],
    )
    pooling = {"word_embedding_dimension": hidden, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    _write(folder / "1_Pooling" / "config.json", pooling)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": positions - 2, "do_lower_case": False})
    (folder / "2_Normalize").mkdir(exist_ok=True)
    return folder


def xlmr_shape(
    folder: Path, texts: Sequence[str], vocabulary: int, hidden: int, layers: int, heads: int, positions: int
) -> Any:
    """Save a tokenizer trained on ``texts`` into ``folder``, and return the configuration of a network for it."""
    from transformers import XLMRobertaConfig

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(folder, texts, vocabulary)
    tokenizer.model_max_length = positions - 2
    tokenizer.save_pretrained(folder)
    return XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * hidden,
        max_position_embeddings=positions,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def _tokenizer(folder: Path, texts: Sequence[str], vocabulary: int):  # type: ignore[no-untyped-def]
    """Return an XLMRobertaTokenizer with the pieces of a sentencepiece model trained on ``texts``."""
    import sentencepiece
    from transformers import XLMRobertaTokenizer

    prefix = folder / "sentencepiece.bpe"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_prefix=str(prefix),
        vocab_size=vocabulary,
        hard_vocab_limit=False,
        character_coverage=1.0,
        minloglevel=2,
    )
    model = sentencepiece.SentencePieceProcessor(model_file=f"{prefix}.model")
    prefix.with_suffix(".bpe.vocab").unlink(missing_ok=True)
    pieces = [(model.id_to_piece(i), model.get_score(i)) for i in range(3, model.get_piece_size())]
    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return XLMRobertaTokenizer(vocab=[*special, *pieces, ("<mask>", 0.0)])
