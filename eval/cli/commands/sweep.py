"""rag-eval sweep: measure a pipeline over ranges of its settings."""

from __future__ import annotations

import itertools

import click

from eval.cli.options import KEEPING, MeasuringOptions, dataset_argument, measuring
from indexes.errors import SettingsError

# Swept by default: settings that need neither a language model nor a reranker.
USUAL = ("fusion=dense,sparse,rrf,minmax", "dense_weight=0.3,0.7", "top_k=20,100", "sparse_window=0,1,5")


EPILOG = """\b
Examples:
  rag-eval sweep data/handbook --over top_k=20,100 --over sparse_window=0,1,5
  rag-eval sweep data/handbook --over fusion=minmax,rrf --over dense_weight=0.3,0.7 --grid
"""


@click.command(name="sweep", epilog=EPILOG, short_help="Measure a pipeline over ranges of its settings.")
@dataset_argument
@click.option(
    "--over",
    multiple=True,
    metavar="KEY=VALUE,VALUE,...",
    help="Setting and its values, e.g. window=0,1,3,5 or hyde.mode=off,on; repeatable.",
)
@click.option("--grid", is_flag=True, help="Measure all combinations, not one setting at a time.")
@measuring(*KEEPING)
def command(given: MeasuringOptions, dataset: str, over: tuple[str, ...], grid: bool) -> None:
    """Measure DATASET with the current settings, and with each value of each --over.

    KEYs are settings as shown by 'rag config', or short names such as window, top_k, fusion, dense_weight,
    sparse_weight, rrf_k, depth (of the reranker), hyde, contextual, sparse_window and dense_context. Without --over,
    fusion, dense_weight, top_k and sparse_window are swept. Embeddings are cached, so a configuration takes seconds
    unless it changes the texts to encode.
    """
    from eval.cli.output import measure
    from eval.measure.session import Session

    names = given.measures()
    measure(given, plan(over or USUAL, grid=grid), given.read(dataset), names, Session.retriever)


def plan(over: tuple[str, ...], *, grid: bool) -> list:
    """Return the specs of a sweep, the base first.

    >>> [spec.name for spec in plan(("window=0,3", "fusion=rrf"), grid=False)]
    ['base', 'window-0', 'window-3', 'fusion-rrf']
    >>> [spec.name for spec in plan(("window=0,3", "fusion=rrf"), grid=True)]
    ['base', 'window-0_fusion-rrf', 'window-3_fusion-rrf']
    """
    from eval.measure.session import Spec, full_name

    axes = []
    for text in over:
        key, equals, rest = text.partition("=")
        values = [value.strip() for value in rest.split(",") if value.strip()]
        if not equals or not values:
            raise SettingsError(f"--over {text!r} cannot be read", remedy="write it as --over KEY=VALUE,VALUE")
        axes.append([(key.strip(), full_name(key), value) for value in values])
    chosen = itertools.product(*axes) if grid else ((point,) for axis in axes for point in axis)
    specs = [Spec("base")]
    for points in chosen:
        name = "_".join(f"{key}-{value}" for key, _, value in points).replace("/", "-")
        specs.append(Spec(name, {full: value for _, full, value in points}))
    if len({spec.name for spec in specs}) < len(specs):
        raise SettingsError("a value is swept twice", remedy="name each setting and value once")
    return specs
