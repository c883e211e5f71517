"""The group ``rag-eval``: finds the command, loads only its file, and turns every error into one sentence."""

from __future__ import annotations

import click

from rag.cli.main import LazyGroup

# name -> what it does. The file of a command is read when the command is called, hence its first line stands here.
COMMANDS = {
    "run": "Measure pipelines on a dataset, and keep the runs.",
    "sweep": "Measure a pipeline over ranges of its settings.",
    "embedders": "Compare embedding models side by side.",
    "rerank": "Measure a reranker on lists of candidates.",
    "compare": "Compare runs: differences, intervals, p values, verdicts.",
    "gate": "Exit 1 when a run is significantly worse than the baseline.",
    "tune": "Choose fusion, window and reranker depth on training questions.",
    "calibrate": "Fit the 'not in these documents' threshold.",
    "answers": "Score a run's answers, citations and abstentions.",
    "check-answers": "How well the check of answers tells wrong sentences.",
    "abstention": "False answers and false refusals, by questions without their documents.",
    "injections": "What orders to a language model, in documents, do to answers.",
    "robustness": "Answers from noisy, irrelevant or false passages.",
    "layouts": "Measure prompts and refusals of a small model.",
    "failures": "Show a run's worst queries, and which stage lost them.",
    "documents": "Our own questions over real documents with headings, tables and names.",
    "synthesize": "Make questions from your own documents.",
    "finetune": "Tune embedders and rerankers, and prove what it gained.",
    "convert": "Write a dataset in another format.",
    "from-feedback": "Make a dataset of what users said of answers.",
}

EPILOG = """\b
Examples:
  rag-eval run data/scifact --profile offline --pipeline base --pipeline rrf=fusion:rrf
  rag-eval sweep data/scifact --over window=0,1,3,5
  rag-eval failures runs/base
"""


class EvalGroup(LazyGroup):
    """The group ``rag-eval``."""

    table = COMMANDS
    package, program = "eval.cli.commands", "rag-eval"
    rooms = dict.fromkeys(("convert", "documents", "from-feedback", "synthesize"), "data")


@click.command(cls=EvalGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "--version", package_name="ragwright", prog_name="rag-eval", message="%(prog)s %(version)s")
def main() -> None:
    """Measure retrieval and answers on your own documents, and see what helps."""


if __name__ == "__main__":
    main()
