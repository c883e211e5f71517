"""Check whether the configured models fit the graphics card, and where Ollama has put its models."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from indexes.addresses import is_loopback, ollama_base_url
from indexes.http import ask_once
from rag.doctor.check import Check, Probe
from rag.doctor.models import needs
from rag.planning.card import GIB, KEPT_FREE, VLLM_SHARE, Part, in_gb, llm_parts, reader_part, vllm_parallel
from rag.planning.placed import Card, cards, read_ollama
from rag.planning.sizes import RUNTIME, LLMShape, llm_shape, reader_shape, shape_from_ollama


def check_card(probe: Probe, look: Callable[[], Sequence[Card]] = cards) -> list[Check]:
    """Add up what the configured models take on this machine's first card, and ask Ollama where its models are.

    >>> from rag.settings import Settings
    >>> settings = Settings.model_validate({"llm": {"provider": "openai", "model": "Qwen/Qwen3-8B"}})
    >>> [check.found for check in check_card(Probe(settings, {}), lambda: [Card("RTX 3060", 12 << 30, 1 << 30)])]
    ['RTX 3060 has 12.9 GB; the configured models take 14.6 GB (BAAI/bge-m3 1.2 GB, BAAI/bge-reranker-v2-m3 1.2 GB, rag
     itself 0.5 GB, vLLM, 90% of the card 11.6 GB)']
    """
    found = look()
    return [*_placement(probe), *([_budget(probe, found[0])] if found else [])]


def _placement(probe: Probe) -> list[Check]:
    llm = probe.settings.llm
    if llm.provider != "ollama":
        return []
    base_url = ollama_base_url(llm.base_url, probe.environ)
    answer = ask_once(base_url, "/api/ps", timeout=probe.timeout)
    if answer.problem or answer.status != 200:
        return []  # another check reports whether it answers
    checks = []
    for one in read_ollama(answer.object()):
        if one.whole or not one.on_card:
            checks.append(Check("placement", "ok", one.words()))
            continue
        mend = "a smaller llm.context_window, a smaller model, or OLLAMA_NUM_PARALLEL=1; see: rag plan"
        found = f"{one.words()}; the rest runs on the processor, many times slower"
        checks.append(Check("placement", "warn", found, mend))
    return checks


def _budget(probe: Probe, card: Card) -> Check:
    """Compare the sum of what is known with the card's memory."""
    parts: list[Part] = []
    unknown: list[str] = []
    for need in needs(probe):
        section = getattr(probe.settings, need.role)
        if section.device == "cpu":
            continue
        shape = reader_shape(need.model)
        if shape is None:
            unknown.append(need.model)
        else:
            parts.append(reader_part(shape, section.batch_tokens, card=True))
    if parts:
        parts.append(Part("rag itself", "card", RUNTIME, "CUDA"))
    llm = probe.settings.llm
    ours = llm.provider in ("ollama", "openai") and is_loopback(llm.base_url or "http://127.0.0.1")
    if ours:
        model = _shape(probe)
        parallel = llm.parallel or int(probe.environ.get("OLLAMA_NUM_PARALLEL") or 1)
        if model is None:
            unknown.append(llm.model)
        elif llm.provider == "ollama":
            parts += llm_parts(model, llm.context_window, parallel)
        else:
            held = vllm_parallel(model, card.total / GIB, llm.context_window)
            how = f"its share; holds {held:.1f} answers of {llm.context_window} tokens"
            parts.append(Part(f"vLLM, {VLLM_SHARE:.0%} of the card", "card", VLLM_SHARE * card.total, how))
    total, room = sum(part.bytes for part in parts), card.total * (1 - KEPT_FREE)
    listed = ", ".join(f"{part.name} {in_gb(part.bytes)}" for part in parts) or "nothing"
    missing = f"; the size of {', '.join(unknown)} is not known" if unknown else ""
    found = f"{card.name} has {in_gb(card.total)}; the configured models take {in_gb(total)} ({listed}{missing})"
    if total > room:
        return Check("card", "warn", found, f"rag plan --card {card.gb:g} suggests models that fit")
    return Check("card", "ok", found)


def _shape(probe: Probe) -> LLMShape | None:
    llm = probe.settings.llm
    if llm.provider == "ollama":
        base_url = ollama_base_url(llm.base_url, probe.environ)
        answer = ask_once(base_url, "/api/show", timeout=probe.timeout, body={"model": llm.model})
        if answer.status == 200 and (shape := shape_from_ollama(llm.model, answer.object())) is not None:
            return shape
    return llm_shape(llm.model)
