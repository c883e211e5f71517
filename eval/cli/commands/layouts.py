"""rag-eval layouts: measure prompts and refusals of a small model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from eval.cli.options import MeasuringOptions, measuring, pipeline_option, sample_options, show_notes, ticker
from rag.cli.options import setting

HEAD = ["layout", "answers", "right", "false refusals", "refused", "tokens", "s to first word", "s per answer"]


EPILOG = """\b
Examples:
  rag-eval layouts data/handbook --profile offline --queries 30 --out layouts.jsonl
  rag-eval layouts data/handbook --pipeline plain=answer.layout:plain --pipeline two=answer.layout:plain,top_n:2
  rag-eval layouts data/handbook --out layouts.jsonl --table
"""


@click.command(name="layouts", epilog=EPILOG, short_help="Compare prompts for a small model, and when it refuses.")
@click.argument("datasets", metavar="DATASET...", nargs=-1, required=True)
@pipeline_option(
    "A layout and its settings, e.g. plain=answer.layout:plain,top_n:2; repeatable [six built-in layouts]."
)
@sample_options(queries=30, documents=150, least=2)
@click.option(
    "--out",
    "output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("layouts.jsonl"),
    show_default=True,
    metavar="FILE",
    help="File for answers; saved answers are not asked again.",
)
@click.option("--rate", default=0.05, show_default=True, type=float, help="Share of right answers that may be refused.")
@click.option("--table", "only_table", is_flag=True, help="Show the saved answers, without asking.")
@setting("--llm", "llm.provider", "Language model: ollama, openai or llama_cpp.", metavar="PROVIDER")
@measuring()
def command(
    given: MeasuringOptions,
    datasets: tuple[str, ...],
    specs: tuple[str, ...],
    documents: int,
    output: Path,
    rate: float,
    only_table: bool,
) -> None:
    """Ask a small model questions of DATASETs in several prompt layouts, every second one without its documents.

    For each layout, prints the shares of answerable questions answered correctly and falsely refused, and of
    unanswerable ones refused: by the model alone, and with the signals of answer.refusal combined (held out). The
    expected duration is printed first.
    The command can be interrupted at any time; run it again to resume.
    """
    from contextlib import ExitStack

    from eval.answers.layouts import DEFAULTS, AnswerFile, cut_documents, hours_left, in_turn, questions_of, run
    from eval.measure.session import parse_spec, with_changes
    from indexes.errors import SettingsError
    from rag.cli.output import data_json, words
    from rag.llms import build_llm

    parsed = [parse_spec(text) for text in specs or DEFAULTS.values()]
    shared = given.shared
    trees = {spec.name: with_changes(given.load, spec) for spec in parsed}
    if len(trees) < len(parsed):
        raise SettingsError("two layouts have the same name", remedy="give each --pipeline a different name")
    changes = {spec.name: dict(spec.changes) for spec in parsed}
    model = shared.settings.llm.model.rsplit("/", 1)[-1]
    file = AnswerFile(output)
    read = [cut_documents(given.read(path), documents) for path in datasets]
    questions = list(in_turn([questions_of(dataset) for dataset in read]))
    keys = {
        (q.dataset, q.query, q.answerable, model, tuple(sorted(c.items()))) for q in questions for c in changes.values()
    }
    if only_table:
        rows = [row for key, row in file.rows.items() if key in keys]
    else:
        left = sum(key not in file.rows for key in keys)
        hours, each = hours_left(file.rows.values(), left, model)
        words(f"{left} of {len(keys)} answers are missing: about {hours:.1f} hours at {each:.0f} s per answer")
        llm = build_llm(shared.settings.llm)
        if llm is None:
            raise SettingsError("there is no language model to measure", remedy="name one with --llm and llm.model")
        engines: dict[tuple[str, str], Any] = {}
        with ExitStack() as stack:
            for dataset in read:
                session = stack.enter_context(given.session(dataset))
                session.share_llm(shared.settings, llm)
                for name, tree in trees.items():
                    engine = session.engine(tree)
                    engine.steps.writer.weighs = True
                    engines[dataset.name, name] = engine
            with ticker("answers") as tick:
                rows = run(engines, questions, changes, file, model, progress=tick)
    _show(rows, list(trees), rate, shared.json, data_json)
    show_notes(dict.fromkeys(note for dataset in read for note in dataset.notes))


def _show(rows: list[Any], names: list[str], rate: float, as_json: bool, data_json: Any) -> None:
    from eval.report.table import table
    from eval.tuning.refusals import figures, held_out
    from rag.cli.output import data

    found = []
    for name in names:
        mine = [row for row in rows if row.layout == name]
        if mine:
            found.append((name, "as the model writes", figures(mine, [row.refused for row in mine])))
            found.append((name, "signals, held out", figures(mine, held_out(mine, rate=rate))))
    if as_json:
        data_json([{"layout": name, "decided": how, **shares.as_dict()} for name, how, shares in found])
        return
    for how in ("as the model writes", "signals, held out"):
        lines = [
            [name, s.answers, s.right, s.false_refusals, s.refused, s.prompt_tokens, s.first_word, s.seconds]
            for name, decided, s in found
            if decided == how
        ]
        data(f"\n{how}:\n{table(HEAD, lines)}")
