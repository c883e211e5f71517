"""The group ``rag-eval``: imports only the requested command, and prints errors as one sentence."""

from __future__ import annotations

import click

from rag.cli.main import LazyGroup

# name -> short help, kept here because a command's module is imported only when it is called.
COMMANDS = {
    "run": "Measure pipelines on a dataset, and save the runs.",
    "sweep": "Measure a pipeline over ranges of its settings.",
    "embedders": "Compare embedding models side by side.",
    "rerank": "Measure rerankers on lists of candidates.",
    "compare": "Compare runs: differences, intervals, p values, verdicts.",
    "gate": "Exit with 1 if a run is significantly worse than a baseline.",
    "tune": "Choose fusion, window and reranker depth on training questions.",
    "calibrate": "Fit the 'not in these documents' threshold.",
    "answers": "Score a run's answers, citations and abstentions.",
    "check-answers": "Measure how well RagWright's check of answers finds wrong sentences.",
    "abstention": "Measure false answers and false refusals.",
    "injections": "Measure what prompt injections in documents do to answers.",
    "robustness": "Measure answers given noisy, irrelevant or false passages.",
    "layouts": "Compare prompts for a small model, and when it refuses.",
    "failures": "Show the worst queries of a run, and the stage that lost them.",
    "documents": "Measure pipelines on 122 questions about manuals, PDF and Word files.",
    "synthesize": "Generate questions from your own documents.",
    "finetune": "Tune embedders and rerankers, and prove the gain.",
    "convert": "Write a dataset in another format.",
    "from-feedback": "Make a dataset from users' feedback on answers.",
}

EPILOG = """\b
Examples:
  rag-eval run data/scifact --profile offline --pipeline base --pipeline rrf=fusion:rrf
  rag-eval sweep data/scifact --over window=0,1,3,5
  rag-eval failures runs/base
"""


class _EvalGroup(LazyGroup):
    """The group ``rag-eval``."""

    table = COMMANDS
    package, program = "eval.cli.commands", "rag-eval"
    rooms = dict.fromkeys(("convert", "documents", "from-feedback", "synthesize"), "data")


@click.command(cls=_EvalGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "--version", package_name="ragwright", prog_name="rag-eval", message="%(prog)s %(version)s")
def main() -> None:
    """Measure retrieval and answers on your own documents, and find out what helps."""


if __name__ == "__main__":
    main()
