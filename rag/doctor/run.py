"""Run all checks in parallel."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping

from rag.doctor import machine, models, store
from rag.doctor.card import check_card
from rag.doctor.check import PATIENCE, Check, Probe
from rag.doctor.ollama import check_ollama
from rag.doctor.openai_server import check_openai
from rag.settings import Settings

Job = Callable[[], list[Check]]
DEADLINE = 5.0  # seconds for servers and hubs; a name server that does not answer can block a check for longer


def examine(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    timeout: float = PATIENCE,
    deadline: float = DEADLINE,
    leave_out: Collection[str] = (),
) -> list[Check]:
    """Run every check that the settings call for, in parallel, and return the findings in a fixed order.

    Args:
        environ: usually ``os.environ``.
        timeout: seconds that a server may take.
        deadline: seconds for servers and hubs after the checks of this machine; a later check is reported as late.
        leave_out: names of checks to skip: "store" if this process has the store open itself.
    """
    probe = Probe(settings, environ, timeout)
    local, remote = (
        {name: job for name, job in jobs.items() if name not in leave_out}
        for jobs in (local_checks(probe), remote_checks(probe))
    )
    jobs = local | remote
    findings: dict[str, list[Check]] = {}

    def work(name: str, job: Job) -> None:
        try:
            findings[name] = job()
        except Exception as error:  # noqa: BLE001 - a check that fails is itself a finding
            found = f"the check failed: {type(error).__name__}: {error}"
            findings[name] = [Check(name, "warn", found, "run the command you need, and read its error")]

    # Daemon threads: a name server that never answers must not keep the command from ending.
    threads = {name: threading.Thread(target=work, args=(name, job), daemon=True) for name, job in jobs.items()}
    for thread in threads.values():
        thread.start()
    for name in local:
        threads[name].join()
    end = time.monotonic() + deadline
    for name in remote:
        threads[name].join(max(0.0, end - time.monotonic()))
    late = f"no answer within {deadline:g} s, probably from a name server"
    return [
        check
        for name in jobs
        for check in findings.get(name, [Check(name, "fail", late, "check the host names and the network")])
    ]


def local_checks(probe: Probe) -> dict[str, Job]:
    """Return the checks of this machine.

    >>> list(local_checks(Probe(Settings(), {})))
    ['python', 'versions', 'variables', 'extras', 'llm model', 'bfloat16', 'gpu', 'memory', 'model mirror', 'store']
    """
    half = machine.has_bfloat16()
    jobs: dict[str, Job] = {
        "python": machine.check_python,
        "versions": machine.check_versions,
        "variables": lambda: machine.check_variables(probe),
        "extras": lambda: machine.check_extras(probe),
        "llm model": lambda: machine.check_llm_file(probe),
        "bfloat16": lambda: machine.check_bfloat16(probe, half),
        "gpu": lambda: machine.check_gpu(probe),
        "memory": lambda: models.check_memory(probe, half=bool(half)),
        "model mirror": lambda: models.check_mirror(probe),
    }
    return jobs if _on_a_server(probe) else {**jobs, "store": lambda: store.check_store(probe)}


def _on_a_server(probe: Probe) -> bool:
    return probe.settings.store.url not in (None, "", ":memory:")


def remote_checks(probe: Probe) -> dict[str, Job]:
    """Return the checks of servers and hubs that the configured providers need.

    >>> list(remote_checks(Probe(Settings(), {})))
    ['encoder model', 'rerank model', 'card', 'llm server']
    """
    settings = probe.settings
    jobs: dict[str, Job] = {"store": lambda: store.check_store(probe)} if _on_a_server(probe) else {}
    for need in models.needs(probe):
        jobs[f"{need.role} model"] = lambda need=need: models.check_model_files(probe, need)  # type: ignore[misc]
    jobs["card"] = lambda: check_card(probe)
    encoder, rerank, llm = settings.encoder, settings.rerank, settings.llm
    if encoder.provider == "ollama":
        jobs["encoder server"] = lambda: check_ollama(
            probe, "encoder", configured=encoder.base_url, model=encoder.model
        )
    elif encoder.provider == "openai":
        jobs["encoder server"] = lambda: check_openai(
            probe, "encoder", base_url=encoder.base_url, model=encoder.model, api_key_env=encoder.api_key_env
        )
    if rerank.provider == "api":
        jobs["rerank server"] = lambda: check_openai(
            probe,
            "rerank",
            base_url=rerank.base_url,
            model=rerank.model,
            api_key_env=rerank.api_key_env,
            models_optional=True,
        )
    window = llm.context_window
    if llm.provider == "ollama":
        jobs["llm server"] = lambda: check_ollama(
            probe, "llm", configured=llm.base_url, model=llm.model, context_window=window
        )
    elif llm.provider == "openai":
        jobs["llm server"] = lambda: check_openai(
            probe, "llm", base_url=llm.base_url, model=llm.model, api_key_env=llm.api_key_env, context_window=window
        )
    return jobs
