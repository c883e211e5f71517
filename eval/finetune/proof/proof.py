"""The proof: is the tuned model better on questions it never saw, and what did it lose elsewhere?

>>> from eval.finetune.proof.forgetting import others  # doctest: +SKIP
>>> from eval.finetune.proof.proof import prove  # doctest: +SKIP
>>> from eval.finetune.proof.scorer import score_all  # doctest: +SKIP
>>> rest = others(also)  # doctest: +SKIP
>>> base = score_all(measure_base, [test, *rest], out / "base", fingerprint=base_digest)  # doctest: +SKIP
>>> tuned = score_all(measure_tuned, [test, *rest], out / "tuned", fingerprint=tuned_digest)  # doctest: +SKIP
>>> proof = prove(base, tuned, test, rest)  # doctest: +SKIP
>>> proof.save(out); data(proof.to_text()); proof.require_better()  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eval.comparing.compare import Comparison, compare
from eval.comparing.significance import p_sign, p_text
from eval.datasets import Dataset
from eval.finetune.proof.forgetting import MEASURES, Loss, losses, run_key
from eval.finetune.training.request import MAX_LOSS
from eval.measure.metrics import legend, shown
from eval.measure.runs import Run
from eval.report.rows import difference_cells
from eval.report.table import pipes, plain, table
from indexes.display import counted
from indexes.errors import RagWrightError
from indexes.files import write_json, write_whole
from indexes.plain import Plain

NOT_BETTER = 4


class NotBetterError(RagWrightError):
    """The tuned model is not significantly better on the held-out questions. The settings are unchanged.

    >>> NotBetterError("no significant difference", remedy="keep the base model").exit_code
    4
    """

    exit_code = NOT_BETTER


@dataclass(slots=True)
class Proof(Plain):
    """Both tables and the verdict.

    >>> queries = {f"q{i}": f"Question {i}?" for i in range(8)}
    >>> test = Dataset("mine", {}, queries, {query: {"d1": 1} for query in queries})
    >>> def finds(name):
    ...     return {run_key(test): Run("any", {query: [(name, 1.0)] for query in queries})}
    >>> proof = prove(finds("d1"), finds("d1"), test)
    >>> proof.better
    False
    >>> proof.require_better()
    Traceback (most recent call last):
        ...
    eval.finetune.proof.proof.NotBetterError: no change: all 8 held-out questions score the same, MAP 1.0000 -> 1.0000
     (+0.0%, difference +0.0000 to +0.0000, p = 1.0000) on 8 held-out questions; keep the base model: your settings are
     unchanged

    Args:
        in_domain: comparison of base and tuned model on the held-out questions; MAP decides.
        forgetting: losses on the other datasets.
        better: whether MAP is significantly higher on the held-out questions.
        verdict: one sentence.
        warnings: losses elsewhere, overlapping datasets; one sentence each.
        notes: how the figures were computed.
    """

    in_domain: Comparison
    forgetting: list[Loss]
    better: bool
    verdict: str
    max_loss: float = MAX_LOSS
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def require_better(self) -> None:
        """Raise unless the model is better; call it after the tables are shown.

        Raises:
            NotBetterError: the model is not significantly better (exit code 4).
        """
        if not self.better:
            raise NotBetterError(self.verdict, remedy="keep the base model: your settings are unchanged")

    def as_dict(self) -> dict[str, Any]:
        """Return the proof as plain data for JSON."""
        return Plain.as_dict(self) | {"measures": list(MEASURES)}

    def to_text(self) -> str:
        """Return verdict, both tables, warnings and notes as plain text."""
        parts = [self.verdict]
        parts.append(f"Held-out questions of {self.in_domain.title}\n" + table(IN_DOMAIN_HEAD, in_domain_rows(self)))
        if self.forgetting:
            parts.append("Elsewhere\n" + table(FORGETTING_HEAD, forgetting_rows(self)))
        if self.warnings:
            parts.append("\n".join(f"warning: {warning}" for warning in self.warnings))
        return "\n\n".join([*parts, "\n".join(f"note: {note}" for note in self.notes)])

    def to_markdown(self, *, verdict: bool = True) -> str:
        """Return the same as Markdown, for a file or pull request."""
        parts = [f"**{plain(self.verdict)}**"] if verdict else []
        head = f"Held-out questions of {plain(self.in_domain.title)}:"
        parts += [head, "\n".join(pipes(IN_DOMAIN_HEAD, in_domain_rows(self)))]
        if self.forgetting:
            parts += ["Elsewhere:", "\n".join(pipes(FORGETTING_HEAD, forgetting_rows(self)))]
        parts += [f"> **Warning:** {plain(warning)}" for warning in self.warnings]
        return "\n\n".join([*parts, "\n".join(f"- {plain(note)}" for note in self.notes)]) + "\n"

    def save(self, folder: Path) -> None:
        """Write proof.json and proof.md."""
        write_json(folder / "proof.json", self.as_dict(), indent=2)
        write_whole(folder / "proof.md", "# Proof\n\n" + self.to_markdown())


IN_DOMAIN_HEAD = ("measure", "before", "after", "difference", "relative", "95 % interval", "p", "win / tie / loss")
FORGETTING_HEAD = ("dataset", "questions", "measure", "before", "after", "relative", "95 % interval", "p", "verdict")


def in_domain_rows(proof: Proof) -> list[list[str]]:
    """Return the cells of the first table, one row per measure.

    >>> queries = {f"q{i}": f"Question {i}?" for i in range(8)}
    >>> test = Dataset("mine", {}, queries, {query: {"d1": 1} for query in queries})
    >>> def finds(name):
    ...     return {run_key(test): Run("any", {query: [(name, 1.0)] for query in queries})}
    >>> in_domain_rows(prove(finds("x"), finds("d1"), test))[0]
    ['MAP', '0.0000', '1.0000', '+1.0000', '-', '+1.0000 to +1.0000', '0.0078 *', '8 / 0 / 0']
    """
    before, after = proof.in_domain.runs
    rows = []
    for measure in proof.in_domain.measures:
        found = proof.in_domain.difference(after.name, measure)
        if found is not None:
            _, _, name, *cells = difference_cells(proof.in_domain, found)
            rows.append([name, f"{before.mean[measure]:.4f}", f"{after.mean[measure]:.4f}", *cells])
    return rows


def forgetting_rows(proof: Proof) -> list[list[str]]:
    """Return the cells of the second table, one row per dataset and measure.

    >>> queries = {f"q{i}": f"Question {i}?" for i in range(8)}
    >>> test = Dataset("mine", {}, queries, {query: {"d1": 1} for query in queries})
    >>> def finds(name):
    ...     return {run_key(test): Run("any", {query: [(name, 1.0)] for query in queries})}
    >>> forgetting_rows(prove(finds("d1"), finds("d1"), test, others=[test]))[0]
    ['mine', '8', 'MAP', '1.0000', '1.0000', '+0.0%', '+0.0% to +0.0%', '1.0000', 'ok']
    """
    rows = []
    for loss in proof.forgetting:
        for measure in MEASURES:
            low, high = loss.interval(measure)
            first = measure == MEASURES[0]
            rows.append(
                [
                    loss.name if first else "",
                    str(loss.queries) if first else "",
                    shown(measure),
                    f"{loss.before[measure]:.4f}",
                    f"{loss.after[measure]:.4f}",
                    f"{loss.relative(measure):+.1%}",
                    f"{low:+.1%} to {high:+.1%}",
                    p_text(loss.paired[measure].p) + (" *" if loss.paired[measure].p < proof.in_domain.alpha else ""),
                    _flag(loss) if first else "",
                ]
            )
    return rows


def _flag(loss: Loss) -> str:
    if loss.too_much or loss.significant:
        return "too much" if loss.too_much else "significant loss"
    return "base too weak" if loss.weak else "ok"


def prove(
    base: Mapping[str, Run],
    tuned: Mapping[str, Run],
    test: Dataset,
    others: Sequence[Dataset] = (),
    *,
    max_loss: float = MAX_LOSS,
    alpha: float = 0.05,
    notes: Sequence[str] = (),
    advice: str = "",
) -> Proof:
    """Compare the runs of ``score_all``; a model that became worse is reported as worse.

    >>> queries = {f"q{i}": f"Question {i}?" for i in range(8)}
    >>> test = Dataset("mine", {}, queries, {query: {"d1": 1} for query in queries})
    >>> def finds(name):
    ...     return {run_key(test): Run("any", {query: [(name, 1.0)] for query in queries})}
    >>> prove(finds("x"), finds("d1"), test).verdict
    'better: MAP 0.0000 -> 1.0000 (difference +1.0000 to +1.0000, p = 0.0078) on 8 held-out questions'
    >>> prove(finds("d1"), finds("x"), test).verdict
    'worse: the tuned model is significantly worse than the base, MAP 1.0000 -> 0.0000 (-100.0%, difference -1.0000 to
     -1.0000, p = 0.0078) on 8 held-out questions'

    Args:
        advice: what to do if the model is better, but lost too much elsewhere.
        notes: what else a reader must know, such as ``Splits.notes``.
    """
    key = run_key(test)
    comparison = compare(
        # Without milliseconds: they come from caches, and the proof is about quality.
        [replace(run[key], name=name, timings_ms={}) for name, run in (("base", base), ("tuned", tuned))],
        test.qrels,
        MEASURES,
        alpha=alpha,
        title=f"{test.name} ({test.split})",
    )
    lost = losses(base, tuned, others, max_loss=max_loss, alpha=alpha)
    better, verdict = _verdict(comparison)
    warnings = list(comparison.warnings)
    for loss in lost:
        if loss.too_much or loss.significant:
            why = f"more than the allowed {max_loss:.1%}" if loss.too_much else "significant, within the limit"
            warnings.append(f"lost elsewhere ({why}): {loss.sentence()}")
    if better and any(loss.too_much for loss in lost):
        verdict += f"; but it lost more than allowed elsewhere{f': {advice}' if advice else ''}"
    method = (
        f"{counted(comparison.queries, 'question')}; {MEASURES[0]} decides; "
        "intervals: paired bootstrap, 10,000 resamples; p: "
        f"two-sided paired randomisation test; *: below {alpha:g}; elsewhere p is not corrected for the number of "
        f"datasets, and relative intervals treat the mean before as exact; {legend(MEASURES)}"
    )
    more = [f"{loss.name}: {note}" for loss in lost for note in loss.notes]
    return Proof(comparison, lost, better, verdict, max_loss, warnings, [*notes, *comparison.notes, *more, method])


def _verdict(comparison: Comparison) -> tuple[bool, str]:
    """Return (significantly better, one sentence)."""
    measure = comparison.measures[0]
    found = comparison.difference("tuned", measure)
    if found is None:
        raise ValueError("base and tuned were not compared")
    before, numbers = comparison.runs[0].mean[measure], found.paired
    share = f"{numbers.difference / before:+.1%}, " if before else ""
    p = f"p {p_sign(found.p_holm)}"
    what = (
        f"{measure} {before:.4f} -> {before + numbers.difference:.4f} ({share}difference {numbers.low:+.4f} to "
        f"{numbers.high:+.4f}, {p}) on {counted(numbers.queries, 'held-out question')}"
    )
    if found.p_holm < comparison.alpha:
        if numbers.difference > 0:
            return True, f"better: {what}"
        return False, f"worse: the tuned model is significantly worse than the base, {what}"
    if numbers.wins + numbers.losses == 0:
        return False, f"no change: all {counted(numbers.queries, 'held-out question', verb='score')} the same, {what}"
    seen = "a lower mean" if numbers.difference < 0 else "no significant gain"
    more = ""
    if numbers.needed and numbers.difference > 0:
        more = f"; about {counted(numbers.needed, 'question', verb='are')} needed to show a difference of this size"
    return False, f"not better: {seen}, {what}{more}"
