"""rag-eval gate: fail a build if a change made retrieval worse."""

from __future__ import annotations

from pathlib import Path

import click

from eval.cli.options import alpha_option, json_option, measure_names, measures_option
from indexes.display import counted

EPILOG = """\b
Examples:
  rag-eval gate baseline/now runs/now --max-drop 0.01
"""


@click.command(name="gate", epilog=EPILOG, short_help="Exit with 1 if a run is significantly worse than a baseline.")
@click.argument("baseline", metavar="BASELINE", type=click.Path(path_type=Path))
@click.argument("folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--max-drop", default=0.0, show_default=True, type=float, help="Largest drop of a mean that is allowed.")
@measures_option
@alpha_option
@click.option("--dataset", "path", metavar="DATASET", help="Dataset with judgements [the runs' own].")
@click.option("--split", default=None, help="Split of --dataset [the runs' own, else test].")
@json_option
@click.pass_context
def command(
    context: click.Context,
    baseline: Path,
    folder: Path,
    max_drop: float,
    measures: str | None,
    alpha: float,
    path: str | None,
    split: str | None,
    as_json: bool,
) -> None:
    """Compare RUN with BASELINE in CI, by NDCG@10 unless --measures names others.

    \b
    Exit codes:
      0  no measure dropped significantly and by more than --max-drop
      1  a measure did
      2  wrong usage or settings
      3  the runs cannot be compared: not found, or of different datasets
    """
    from eval.cli.commands.compare import judgements, load_runs
    from eval.comparing.gate import PASSED, REGRESSED, GateError, gate
    from indexes.errors import SourceError
    from rag.cli.output import data, data_json, words

    names = measure_names(measures) if measures else ["nDCG@10"]
    try:
        before, after = load_runs((baseline, folder))
        dataset = judgements([before, after], path, split)
        checks = gate(before, after, dataset.qrels, names, max_drop=max_drop, alpha=alpha)
    except SourceError as error:
        raise GateError(error.what, remedy=error.remedy) from error
    failed = [check for check in checks if check.regressed]
    if as_json:
        data_json({"passed": not failed, "max_drop": max_drop, "checks": [check.as_dict() for check in checks]})
    for check in checks if not as_json else ():
        data(f"{'REGRESSED' if check.regressed else 'ok':<9}  {check.sentence()}")
    for check in checks:
        if not check.regressed and check.visible is not None and check.visible > max(max_drop, 0.01):
            words(
                f"note: these {counted(check.paired.queries, 'query', verb='show')} a "
                f"drop of {check.visible:.4f} in {check.measure} "
                "four times out of five; most smaller drops are missed"
            )
    context.exit(REGRESSED if failed else PASSED)
