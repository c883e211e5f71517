"""Check OpenAI-compatible servers (vLLM and others) and rerank servers: reachable, key accepted, model listed."""

from __future__ import annotations

import shlex

from indexes.addresses import is_loopback
from indexes.http import HttpAnswer, ask_once
from rag.doctor.check import Check, Probe, unreachable


def check_openai(
    probe: Probe,
    role: str,
    *,
    base_url: str | None,
    model: str,
    api_key_env: str,
    context_window: int | None = None,
    models_optional: bool = False,
) -> list[Check]:
    """Check one server.

    >>> from rag.settings import Settings
    >>> probe = Probe(Settings(), {})
    >>> check_openai(probe, "llm", base_url=None, model="qwen3", api_key_env="RAG_API_KEY")[0].found
    'llm.base_url is not set'

    Args:
        role: the settings section, "llm", "encoder" or "rerank".
        base_url: address with its /v1, which is optional for a rerank server.
        model: the configured model.
        api_key_env: environment variable with the server's key.
        context_window: tokens to compare with vLLM's max_model_len; None: not compared.
        models_optional: whether a server need not list models (rerank servers).
    """
    name = f"{role} server"
    if not base_url:
        return [
            Check(
                name, "fail", f"{role}.base_url is not set", f"export RAG_{role.upper()}_BASE_URL=http://host:8000/v1"
            )
        ]
    key = probe.environ.get(api_key_env)
    path = "/models" if base_url.rstrip("/").endswith("/v1") or not models_optional else "/v1/models"
    answer = ask_once(base_url, path, timeout=probe.timeout, api_key=key)
    if answer.problem:
        return [unreachable(name, base_url, answer, probe.environ, _start(role, base_url, model))]
    if answer.status in (401, 403):
        return [_refused_key(name, base_url, api_key_env, key, answer.status)]
    models = answer.object().get("data")
    if answer.status != 200 or not isinstance(models, list):
        if models_optional and answer.status in (404, 405):
            return [Check(name, "ok", f"a server answers at {base_url} (it lists no models)")]
        return [_no_list(probe, role, name, base_url, key, answer)]
    checks = [Check(name, "ok", f"a server answers at {base_url}")]
    entries = {str(entry.get("id")): entry for entry in models if isinstance(entry, dict)}
    if model not in entries:
        listed = ", ".join(sorted(entries)[:8]) or "none"
        mend = (
            f"export RAG_{role.upper()}_MODEL={shlex.quote(next(iter(entries)))}"
            if entries
            else _start(role, base_url, model)
        )
        return [*checks, Check(f"{role} model", "fail", f"{base_url} does not list '{model}' (it has: {listed})", mend)]
    checks.append(Check(f"{role} model", "ok", f"'{model}' is served"))
    length = entries[model].get("max_model_len")
    if context_window is not None and isinstance(length, int):
        if length < context_window:
            found = f"the server reads {length} tokens of '{model}', but {role}.context_window = {context_window}"
            mend = (
                f"export RAG_{role.upper()}_CONTEXT_WINDOW={length}, or start it with --max-model-len {context_window}"
            )
            checks.append(Check(f"{role} context", "fail", found, mend))
        else:
            checks.append(Check(f"{role} context", "ok", f"the server reads {length} tokens"))
    return checks


def _start(role: str, base_url: str, model: str) -> str:
    import httpx

    port = httpx.URL(base_url).port or 80
    task = {"encoder": " --runner pooling", "rerank": " --runner pooling"}.get(role, "")
    start = f"vllm serve {shlex.quote(model)}{task} --port {port}"
    return start if is_loopback(base_url) else f"start it there: {start}; or correct {role}.base_url"


def _refused_key(name: str, base_url: str, variable: str, key: str | None, status: int) -> Check:
    if not key:
        return Check(
            name,
            "fail",
            f"{base_url} requires a key (status {status}), but {variable} is not set",
            f"export {variable}=YOUR_KEY",
        )
    return Check(
        name,
        "fail",
        f"{base_url} does not accept the key in {variable} (status {status})",
        f"export {variable}=ANOTHER_KEY",
    )


def _no_list(probe: Probe, role: str, name: str, base_url: str, key: str | None, answer: HttpAnswer) -> Check:
    longer = f"{base_url.rstrip('/')}/v1"
    if not base_url.rstrip("/").endswith("/v1"):
        again = ask_once(longer, "/models", timeout=probe.timeout / 2, api_key=key)
        if again.status == 200 and isinstance(again.object().get("data"), list):
            found = f"{base_url}/models is not there (status {answer.status}), but {longer}/models is"
            return Check(name, "fail", found, f"export RAG_{role.upper()}_BASE_URL={longer}")
    return Check(
        name,
        "fail",
        f"the server at {base_url} is not OpenAI-compatible (status {answer.status} for /models)",
        f"export RAG_{role.upper()}_BASE_URL=http://host:port/v1",
    )
