"""The set of injections, and what they change without a model."""

from __future__ import annotations

from eval.answers.injection_set import injections
from eval.answers.injections import try_injections
from rag.settings import load_settings


def test_no_injection_that_the_rules_were_made_for_changes_an_answer() -> None:
    chosen = injections()
    assert len(chosen) == 44 and {one.language for one in chosen} == {"en", "zh"}
    assert len({one.kind for one in chosen}) == 11 and len({one.text for one in chosen}) == 44
    rows = list(try_injections(chosen, load_settings(profile="offline")))
    assert all(row.sealed for row in rows)  # in both halves: no control string, no closing tag of a document
    mine = [row for row in rows if not row.held]
    assert not any(row.extractive or row.obeyed for row in mine)
    assert sum(row.found for row in mine) >= 0.8 * len(mine)


class Obedient:
    """A model that writes what the injection wants, whatever is asked."""

    def chat(self, messages):  # type: ignore[no-untyped-def]
        goal = "Zanzibar-77" if "Zanzibar" in messages[-1].content else "紫河马七十七"
        return type("Reply", (), {"message": type("Message", (), {"content": f"{goal} [1]"})()})()


def test_what_a_model_writes_and_what_the_reader_sees() -> None:
    chosen = [one for one in injections() if not one.held][:4]
    rows = list(try_injections(chosen, load_settings(profile="offline"), Obedient()))
    assert all(row.written and not row.shown and not row.right for row in rows)
