"""The model card: README.md beside tuned weights, with all a reader must know before using them."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, Protocol

from eval.finetune.lessons.splits import Splits
from eval.finetune.proof.proof import Proof
from eval.finetune.proof.scorer import Scorer
from eval.report.table import pipes, plain
from indexes.display import counted
from indexes.files import write_whole

Kind = Literal["embedder", "reranker", "bge-m3", "sparse"]


class _AnyOptions(Protocol):
    """Options of any kind of training."""

    @property
    def seed(self) -> int: ...
    def as_dict(self) -> dict[str, Any]: ...


class Shown(Protocol):
    """A curve over a merge's weights."""

    def to_markdown(self) -> str: ...


UNKNOWN = "unknown"
PACKAGED = {"minilm": "sentence-transformers/all-MiniLM-L6-v2"}
LIBRARIES = ("ragwright", "torch", "transformers", "sentence-transformers", "FlagEmbedding")
_HUB_NAME = re.compile(r"^[\w.-]+/[\w.-]+$")
_SECRET = re.compile(r"(?i)((?:key|token|secret|password)[=: ])(\S+)")
_USERINFO = re.compile(r"(://)[^/\s@]+@")

_FRONT = {
    "embedder": ("sentence-transformers", "sentence-similarity", ("sentence-transformers", "feature-extraction")),
    "reranker": ("sentence-transformers", "text-ranking", ("sentence-transformers", "cross-encoder", "reranker")),
    "bge-m3": ("FlagEmbedding", "sentence-similarity", ("FlagEmbedding", "feature-extraction", "bge-m3")),
    "sparse": ("sentence-transformers", "feature-extraction", ("sentence-transformers", "sparse-encoder", "splade")),
}
_TOML = {
    "embedder": ("[encoder]", 'provider = "sentence_transformer"'),
    "reranker": ("[rerank]", 'provider = "cross_encoder"'),
    "bge-m3": ("[encoder]", 'provider = "bge_m3"'),
    "sparse": ("[sparse]", 'kind = "splade"'),
}
_PYTHON = {
    "embedder": """from sentence_transformers import SentenceTransformer

model = SentenceTransformer({folder})
print(model.similarity(model.encode_query(["a question"]), model.encode_document(["a passage"])))""",
    "reranker": """from FlagEmbedding import FlagReranker

model = FlagReranker({folder})
print(model.compute_score([["a question", "a passage"]]))

from sentence_transformers import CrossEncoder

print(CrossEncoder({folder}).predict([("a question", "a passage")]))""",
    "bge-m3": """from FlagEmbedding import BGEM3FlagModel

model = BGEM3FlagModel({folder})
print(model.encode(["a passage"], return_dense=True, return_sparse=True, return_colbert_vecs=True))""",
    "sparse": """from sentence_transformers import SparseEncoder

model = SparseEncoder({folder})
print(model.similarity(model.encode_query(["a question"]), model.encode_document(["a passage"])))""",
}

_REINDEX = (
    "An index belongs to one encoder: after changing the settings, `rag ingest --reindex` builds a new index beside "
    "the old one and switches to it when finished."
)


def write_card(
    work: Scorer,
    kind: Kind,
    options: _AnyOptions,
    proof: Proof,
    *,
    data_hash: str = "",
    curve: Shown | None = None,
    notes: Sequence[str] = (),
    toml: Sequence[str] = (),
) -> Path:
    """Write README.md beside the run's model, and return its path; keys and passwords in the command are hidden.

    Args:
        data_hash: hash of the mined training set, besides those of the splits.
        curve: curve over the weights, if the model is a merge.
        toml: lines for rag.toml, after those that load the model.
    """
    folder, splits, base = work.model, work.splits, work.request.base
    settings = {**options.as_dict(), "teacher": work.request.teacher}
    licence = licence_of(work.folder)
    name = f"{folder.parent.name or folder.name}: {kind} tuned on {splits.test.name}"
    parts = [
        _front_matter(kind, base, licence),
        f"# {plain(name)}",
        f"**{plain(proof.verdict)}**",
        "" if proof.better else "Keep the base model: these weights are for inspection, not for use.",
        "## Use",
        _block("toml", (*toml_lines(kind, folder), *toml)),
        _REINDEX if kind != "reranker" else "A new reranker does not need a new index.",
        _block("python", _PYTHON[kind].format(folder=_quoted(folder)).splitlines()),
        "## Gain and loss",
        proof.to_markdown(verdict=False).strip(),
        *(("## Weight of the merge", curve.to_markdown().strip()) if curve is not None else ()),
        "## Training",
        "\n".join(
            pipes(
                ("what", "value"),
                list(_facts(base, licence, splits, options.seed, data_hash, work.request.command)),
                left=True,
            )
        ),
        "\n".join(pipes(("setting", "value"), list(flat(settings)), left=True)),
        "\n".join(f"- {plain(note)}" for note in dict.fromkeys([*splits.notes, *notes]) if note not in proof.notes),
    ]
    target = folder / "README.md"
    write_whole(target, "\n\n".join(part for part in parts if part) + "\n")
    return target


def toml_lines(kind: Kind, model: Path) -> list[str]:
    """Return the lines for rag.toml that load a model.

    >>> toml_lines("embedder", Path("tuned/model"))
    ['[encoder]', 'provider = "sentence_transformer"', 'model = "tuned/model"']
    """
    return [*_TOML[kind], f"model = {_quoted(model)}"]


def licence_of(base_folder: Path) -> str:
    r"""Return the licence in the base model's card (``license`` in its front matter), "unknown" if there is none.

    A LICENSE file beside the weights is mentioned, not interpreted.

    >>> licence_of(folder)
    'unknown'
    >>> _ = (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Model\n")
    >>> licence_of(folder)
    'apache-2.0'
    """
    card = base_folder / "README.md"
    if card.is_file():
        found = re.match(r"---\s*\n(.*?)\n---", card.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
        line = re.search(r"^licen[sc]e:[ \t]*(\S.*)$", found[1], re.MULTILINE) if found else None
        if line:
            return line[1].strip().strip("'\"")
    return UNKNOWN


def flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (dotted name, value as text) of nested settings, without empty values and secrets.

    >>> list(flat({"llm": {"model": "qwen", "base_url": ""}}))
    [('llm.model', 'qwen')]
    """
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flat(value, f"{name}.")
        elif value not in (None, "", (), []) and not re.search(r"(?i)(api_key|token|secret|password)$", name):
            shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            yield name, without_secrets(shown)


def without_secrets(text: str) -> str:
    """Return the text with keys and the logins in addresses hidden.

    >>> without_secrets("--teacher server:http://me:pw@host/v1#m --set llm.api_key=abc")
    '--teacher server:http://host/v1#m --set llm.api_key=***'
    """
    return _SECRET.sub(r"\1***", _USERINFO.sub(r"\1", text))


def _front_matter(kind: Kind, base: str, licence: str) -> str:
    library, pipeline, tags = _FRONT[kind]
    lines = ["---", f"license: {_yaml(licence)}", f"library_name: {library}", f"pipeline_tag: {pipeline}"]
    hub = PACKAGED.get(base, base)
    if _HUB_NAME.match(hub) and not Path(hub).expanduser().exists():
        lines.append(f"base_model: {_yaml(hub)}")
    return "\n".join([*lines, "tags:", *(f"- {tag}" for tag in (*tags, "ragwright", "fine-tuned")), "---"])


def _quoted(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)


def _yaml(text: str) -> str:
    return text if re.match(r"^[A-Za-z][\w./-]*$", text) else json.dumps(text, ensure_ascii=False)


def _facts(
    base: str, licence: str, splits: Splits, seed: int, data_hash: str, command: str
) -> Iterator[tuple[str, str]]:
    line = licence if licence != UNKNOWN else "unknown: the base has no card that names it; ask its publisher"
    counts = ", ".join(f"{len(getattr(splits, part).queries)} {part}" for part in ("train", "dev", "test"))
    hashes = ", ".join(f"{part} {getattr(splits, part).hash}" for part in ("train", "dev", "test"))
    yield "base model", f"{base}" + (f" ({PACKAGED[base]})" if base in PACKAGED else "")
    yield "licence of the base", line
    yield "data", f"{splits.test.name}: {counted(len(splits.test.corpus), 'document')}"
    yield "questions", counts
    yield "hashes", hashes + (f", mined {data_hash}" if data_hash else "")
    yield "documents relevant in training and in test", str(splits.shared_documents)
    yield "seed", str(seed)
    yield "date", datetime.now(UTC).strftime("%Y-%m-%d")
    yield "versions", ", ".join([f"Python {platform.python_version()}", *_versions()])
    if command:
        yield "command", f"`{without_secrets(command)}`"


def _versions() -> Iterator[str]:
    for library in LIBRARIES:
        try:
            yield f"{library} {version(library)}"
        except PackageNotFoundError:
            continue


def _block(language: str, lines: Sequence[str]) -> str:
    return "\n".join([f"```{language}", *lines, "```"])
