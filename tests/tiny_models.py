"""Tiny checkpoints: real files and real tokenizers around random weights, made in well under a second.

BGE-M3's shape is not here: the benchmarks of the package build it too (``eval.bench.checkpoints``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def tiny_bert(folder: Path, texts: Iterable[str], *, labels: int | None = None, spread: float = 0.02) -> Path:
    """Build two layers of 32 dimensions over the words of ``texts``; with ``labels`` a cross-encoder, else an encoder.

    ``spread`` is the deviation of the random weights: the more, the further apart are the scores of two texts.
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizer

    folder.mkdir(parents=True)
    words = sorted(
        {word for text in texts for word in "".join(c if c.isalnum() else " " for c in text.lower()).split()}
    )
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ":", "?", *words]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    tokenizer = BertTokenizer(str(folder / "vocab.txt"), model_max_length=64)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=spread,
        **({"num_labels": labels} if labels else {}),
    )
    model = BertForSequenceClassification(config) if labels else BertModel(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_splade(folder: Path, texts: Iterable[str]) -> Path:
    """Build a masked language model over the words of ``texts``, as sparse encoders (SPLADE) are published."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    tiny_bert(folder, texts)
    torch.manual_seed(7)
    config = BertConfig.from_pretrained(folder, architectures=None, num_hidden_layers=0, hidden_act="linear")
    model = BertForMaskedLM(config)
    with torch.no_grad():  # each word means itself, and hardly another
        embeddings, head = model.bert.embeddings, model.cls.predictions
        embeddings.word_embeddings.weight.normal_()
        embeddings.position_embeddings.weight.zero_()
        embeddings.token_type_embeddings.weight.zero_()
        head.transform.dense.weight.copy_(torch.eye(config.hidden_size))
        head.transform.dense.bias.zero_()
        head.bias.fill_(-16.0)
    model.save_pretrained(folder)
    return folder


def tiny_xlmr_reranker(folder: Path, texts: list[str]) -> Path:
    """Build a two-layer XLM-R with one label, as bge-reranker-v2-m3, and a sentencepiece vocabulary of its own."""
    import sentencepiece
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification, XLMRobertaTokenizer

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts * 20),
        model_prefix=str(folder / "pieces"),
        vocab_size=260,
        character_coverage=1.0,
        model_type="unigram",
        normalization_rule_name="identity",  # full-width punctuation keeps its own pieces
        hard_vocab_limit=False,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "pieces.model"))
    vocabulary = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocabulary += [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(3, pieces.get_piece_size())]
    tokenizer = XLMRobertaTokenizer(vocab=[*vocabulary, ("<mask>", 0.0)])
    torch.manual_seed(7)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=514,
        type_vocab_size=1,
        num_labels=1,
        initializer_range=0.4,
    )
    XLMRobertaForSequenceClassification(config).save_pretrained(folder / "model")
    tokenizer.model_max_length = 512
    tokenizer.save_pretrained(folder / "model")
    return folder / "model"


def tiny_xlmr_beside(folder: Path, tokenizer_of: Path) -> Path:
    """Build a one-layer, one-label XLM-R with the vocabulary of another checkpoint."""
    import torch
    from transformers import AutoTokenizer, XLMRobertaConfig, XLMRobertaForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(str(tokenizer_of))
    torch.manual_seed(3)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=514,
        num_labels=1,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    XLMRobertaForSequenceClassification(config).save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return folder


def tiny_llama(folder: Path, texts: list[str]) -> Path:
    """Build a two-layer Llama, as an LLM-based reranker is loaded."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = byte_level_bpe(texts, ["<pad>", "<bos>", "<eos>"], size=400)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", padding_side="left"
    ).save_pretrained(folder)
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        initializer_range=0.3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def byte_level_bpe(texts: Iterable[str], specials: list[str], *, size: int) -> Any:
    """Train a byte-level BPE tokenizer, as Llama's and Qwen's are; ``specials`` get the first ids."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=specials, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def tiny_qwen3_reranker(folder: Path, texts: list[str]) -> Path:
    """Build the shape of Qwen3-Reranker: a causal network, and a tokenizer with the marks of its chat template."""
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = byte_level_bpe([*texts, *["yes", "no"] * 50], marks, size=500)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        additional_special_tokens=marks[1:],
    ).save_pretrained(folder)
    torch.manual_seed(7)
    config = Qwen3Config(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=2048,
        pad_token_id=0,
        eos_token_id=2,
        initializer_range=0.3,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    return folder


def tiny_qwen3_encoder(folder: Path, texts: list[str]) -> Path:
    """Build the shape of Qwen3-Embedding: a causal network, the last token's state, a default query prompt."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

    tokenizer = byte_level_bpe(texts, ["<|endoftext|>"], size=400)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <|endoftext|>", special_tokens=[("<|endoftext|>", 0)]
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|endoftext|>", padding_side="left", model_max_length=512
    )
    wrapped.save_pretrained(folder)
    config = Qwen3Config(
        vocab_size=len(wrapped),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        intermediate_size=64,
        max_position_embeddings=512,
        pad_token_id=0,
    )
    Qwen3Model(config).save_pretrained(folder)
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": False, "pooling_mode_lasttoken": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "2_Normalize").mkdir()
    prompts = {"prompts": {"query": "Instruct: find it\nQuery:", "document": ""}, "default_prompt_name": None}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    return folder
