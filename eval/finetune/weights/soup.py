"""Model soups: the mean of the weights of several trainings that began with one model (Wortsman et al.,
arXiv 2203.05482).

With a few hundred questions, chance in the training (which negatives are drawn, in what order, what dropout leaves out)
moves a model as much as its training does. Trainings from one start err in different directions, so their mean should
err less; it is as fast as one of them. What it gave here stands in the guide (docs/en/measurements/fine-tuning.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from eval.finetune.training.loss_curve import DEV, Trained
from eval.finetune.training.run_folder import RunFolder
from eval.finetune.weights.average import average_folders


def train_soup(run: RunFolder, target: Path, count: int, fit: Callable[[Path, int], Trained]) -> list[Trained]:
    """``count`` trainings, and the average of their weights in ``target``.

    Args:
        fit: one training, whose model goes to a folder beside ``target``; its place, from 0, tells its seed.
    """
    if count == 1:
        return [fit(target, 0)]
    folders = [target.with_name(f"{target.name}-{place}") for place in range(count)]
    each = [fit(folder, place) for place, folder in enumerate(folders)]
    run.step(f"average {target.name}", lambda: average(folders, target).name)
    return each


def average(models: Sequence[Path], out: Path) -> Path:
    """Write the mean of the weights of two or more models to ``out``; means of fewer lie beside it."""
    mean = models[0]
    for count, model in enumerate(models[1:], start=2):
        part = out if count == len(models) else out.with_name(f"{out.name}-mean-{count}")
        mean = average_folders(mean, model, 1 / count, part)
    return mean


def soup_notes(each: Sequence[Trained]) -> list[str]:
    """What was averaged, in a sentence; none where there was one training."""
    if len(each) < 2:
        return []
    devs = ", ".join(f"{one.best_dev:.4f}" for one in each)
    return [f"the weights are the mean of {len(each)} trainings, whose best {DEV} on dev were {devs}"]
