"""Check whether Ollama answers, has the model, and whether the model's context is as large as configured."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping

from indexes.addresses import is_loopback, ollama_base_url, proxy_in_the_way
from indexes.http import HttpAnswer, ask_once
from rag.doctor.check import Check, Probe, unreachable

DEFAULT_URL = "http://127.0.0.1:11434"


def check_ollama(
    probe: Probe, role: str, *, configured: str | None, model: str, context_window: int | None = None
) -> list[Check]:
    """Check one use of Ollama.

    Args:
        role: the settings section, "llm" or "encoder".
        configured: its ``base_url``.
        model: its model.
        context_window: tokens that the setting asks for; None: not compared.
    """
    base_url = ollama_base_url(configured, probe.environ)
    answer = ask_once(base_url, "/api/tags", timeout=probe.timeout)
    checks = [*_proxy(role, base_url, probe.environ)]
    if answer.problem:
        return [_why_unreachable(probe, role, base_url, configured, answer), *checks]
    models = answer.object().get("models")
    if answer.status != 200 or not isinstance(models, list):
        return [_not_ollama(probe, role, base_url, answer), *checks]
    checks.insert(0, Check(f"{role} server", "ok", f"Ollama answers at {base_url}"))
    names = [str(entry.get("name") or entry.get("model")) for entry in models if isinstance(entry, dict)]
    wanted = model if ":" in model.rpartition("/")[2] else f"{model}:latest"
    if wanted not in names and model not in names:
        listed = ", ".join(sorted(names)[:8]) or "none"
        where = "" if base_url == DEFAULT_URL else f"OLLAMA_HOST={base_url} "
        checks.append(
            Check(
                f"{role} model",
                "fail",
                f"Ollama at {base_url} does not have the model '{model}' (it has: {listed})",
                f"{where}ollama pull {shlex.quote(model)}",
            )
        )
        return checks
    checks.append(Check(f"{role} model", "ok", f"'{model}' is pulled"))
    if context_window is not None:
        checks.append(_context(probe, role, base_url, model, context_window))
    return checks


def _context(probe: Probe, role: str, base_url: str, model: str, wanted: int) -> Check:
    name = f"{role} context"
    answer = ask_once(base_url, "/api/show", timeout=probe.timeout, body={"model": model})
    info = answer.object().get("model_info") or {}
    lengths = [value for key, value in info.items() if key.endswith(".context_length") and isinstance(value, int)]
    if not lengths:
        return Check(name, "warn", f"Ollama does not report the context length of '{model}'", "ollama show " + model)
    if lengths[0] < wanted:
        return Check(
            name,
            "fail",
            f"'{model}' reads {lengths[0]} tokens, but {role}.context_window = {wanted}: prompts would be cut silently",
            f"set context_window = {lengths[0]} under [{role}] in rag.toml, or export "
            f"RAG_{role.upper()}_CONTEXT_WINDOW={lengths[0]}",
        )
    return Check(name, "ok", f"'{model}' reads {lengths[0]} tokens; {wanted} are configured")


def _why_unreachable(probe: Probe, role: str, base_url: str, configured: str | None, answer: HttpAnswer) -> Check:
    """Tell a wrong address from a server that is down, by an Ollama at the usual port."""
    name = f"{role} server"
    variable = probe.environ.get("OLLAMA_HOST", "").strip()
    source = f"{role}.base_url" if configured else "OLLAMA_HOST" if variable else ""
    if source and base_url != DEFAULT_URL:
        for other in _likely_urls(base_url):
            if ask_once(other, "/api/tags", timeout=probe.timeout / 2).status == 200:
                value = configured or variable
                mend = (
                    f"export OLLAMA_HOST={other}"
                    if source == "OLLAMA_HOST"
                    else f"export RAG_{role.upper()}_BASE_URL={other}"
                )
                return Check(
                    name,
                    "fail",
                    f"{source}={value!r} means {base_url}, where nothing answers ({answer.detail}); "
                    f"an Ollama answers at {other}",
                    mend,
                )
    start = (
        "ollama serve" if shutil.which("ollama") else "install Ollama (https://ollama.com/download), then: ollama serve"
    )
    if not is_loopback(base_url):
        start = f"start it there with: OLLAMA_HOST=0.0.0.0:11434 ollama serve, and check {source or 'the address'}"
    elif source:
        value = configured or variable
        portless = "; without a port it means port 80" if base_url.endswith(":80") and ":80" not in value else ""
        start += f" (the address comes from {source}={value!r}{portless})"
    return unreachable(name, base_url, answer, probe.environ, start)


def _likely_urls(base_url: str) -> list[str]:
    """Return the same host at Ollama's port, and this machine."""
    import httpx

    host = httpx.URL(base_url).host
    host = f"[{host}]" if ":" in host else host
    urls = [f"http://{host}:11434"] if host else []
    return [url for url in dict.fromkeys([*urls, DEFAULT_URL]) if url != base_url]


def _not_ollama(probe: Probe, role: str, base_url: str, answer: HttpAnswer) -> Check:
    proxy = None if is_loopback(base_url) else proxy_in_the_way(base_url, probe.environ)
    if proxy:
        import httpx

        return Check(
            f"{role} server",
            "fail",
            f"the request to {base_url} went through {proxy}, which answered with status {answer.status} itself",
            f"export NO_PROXY={httpx.URL(base_url).host}",
        )
    return Check(
        f"{role} server",
        "fail",
        f"the server at {base_url} is not Ollama (status {answer.status} for /api/tags)",
        f'export OLLAMA_HOST=http://host:11434, or set {role}.provider = "openai" if it is another server',
    )


def _proxy(role: str, base_url: str, environ: Mapping[str, str]) -> list[Check]:
    """Report a proxy for this machine: we bypass it, the ollama command and other clients do not."""
    if not is_loopback(base_url):
        return []
    proxy = proxy_in_the_way(base_url, environ)
    if not proxy:
        return []
    return [
        Check(
            f"{role} proxy",
            "warn",
            f"{proxy} is set and NO_PROXY does not list this machine: rag calls {base_url} directly anyway, "
            "but other programs call it through the proxy",
            "export NO_PROXY=127.0.0.1,localhost,::1",
        )
    ]
