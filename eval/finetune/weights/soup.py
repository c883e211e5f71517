"""Model soups: average the weights of several trainings from the same start (Wortsman et al., arXiv 2203.05482).

With a few hundred questions, chance (drawn negatives, their order, dropout) changes a model as much as training does.
Trainings from one start err in different directions, so their mean should err less, and it is as fast as one of them.
Measured results: docs/en/measurements/fine-tuning.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from eval.finetune.training.loss_curve import DEV, Trained
from eval.finetune.training.run_folder import RunFolder
from eval.finetune.weights.average import average_folders
from indexes.display import counted


def train_soup(run: RunFolder, target: Path, count: int, fit: Callable[[Path, int], Trained]) -> list[Trained]:
    """Train ``count`` times, and write the average of the weights to ``target``.

    >>> one = Trained([], best_step=10, best_dev=0.5, first_dev=0.4, steps=10, notes=[])
    >>> train_soup(None, folder / "model", 1, lambda place, number: one) == [one]  # one training: no average
    True

    Args:
        fit: called with the folder for a model and the number of the training, from 0, which decides its seed.
    """
    if count == 1:
        return [fit(target, 0)]
    folders = [target.with_name(f"{target.name}-{place}") for place in range(count)]
    each = [fit(folder, place) for place, folder in enumerate(folders)]
    run.step(f"average {target.name}", lambda: average(folders, target).name)
    return each


def average(models: Sequence[Path], out: Path) -> Path:
    """Write the mean of the weights of two or more models to ``out``, with intermediate means beside it."""
    mean = models[0]
    for count, model in enumerate(models[1:], start=2):
        part = out if count == len(models) else out.with_name(f"{out.name}-mean-{count}")
        mean = average_folders(mean, model, 1 / count, part)
    return mean


def soup_notes(each: Sequence[Trained]) -> list[str]:
    """Return a note on what was averaged; [] for a single training.

    >>> of = lambda dev: Trained([], best_step=10, best_dev=dev, first_dev=0.4, steps=10, notes=[])
    >>> soup_notes([of(0.5)]), soup_notes([of(0.5), of(0.625)])
    ([], ['the weights are the mean of 2 trainings, whose best nDCG@10 on dev were 0.5000, 0.6250'])
    """
    if len(each) < 2:
        return []
    devs = ", ".join(f"{one.best_dev:.4f}" for one in each)
    return [f"the weights are the mean of {counted(len(each), 'training')}, whose best {DEV} on dev were {devs}"]
