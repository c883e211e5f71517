"""The pages in a real browser: an answer streams, a citation opens in place, nothing runs that a document holds.

Needs Chromium (CHROMIUM=path, else what the PATH has) and playwright; ``make test-browser`` gets both.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indexes import build_index
from rag.serve.app import build_app
from rag.serve.keys import KeyRing
from rag.serve.library import Library
from tests.rag.serve.conftest import Kept, settings_at

pytestmark = pytest.mark.slow
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make test-browser")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("there is no Chromium: make test-browser, or CHROMIUM=path", allow_module_level=True)

HOSTILE = "<script>window.hacked = 1</script> The <b>otter</b> said <img src=x onerror='window.hacked = 2'> hello.\n"
HOSTILE_NAME = "<img src=x onerror=window.hacked=3>.txt"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    flags = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=[*flags, "--disable-component-update"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def address(library: Library, served_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A served copy of the shared store, with one more collection whose document is full of HTML."""
    import uvicorn

    from rag.serve.run import bind

    folder = tmp_path_factory.mktemp("browser")
    (folder / "zoo").mkdir()
    (folder / "zoo" / HOSTILE_NAME).write_text(HOSTILE, encoding="utf-8")
    assert library.encoder is not None
    settings = settings_at(served_store, feedback=True, runs=str(folder / "runs"))
    client = library.engine.client
    build_index(
        folder / "zoo", collection="zoo", settings=settings, encoder=library.encoder.inner, client=client
    ).close()
    app = build_app(settings, library=Kept(library, settings), keys=KeyRing(folder / "keys.toml"), load=False)
    app.state.service.state = "ready"
    listening = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=20)


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """A page that fails the test where a script fails, or another host is asked."""
    context = browser.new_context(base_url=address, locale="en-GB")
    made = context.new_page()
    faults: list[str] = []
    made.on("pageerror", lambda error: faults.append(str(error)))
    made.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    made.on("request", lambda asked: None if asked.url.startswith((address, "data:")) else faults.append(asked.url))
    made.set_default_timeout(15_000)
    yield made
    context.close()
    assert not faults


def test_an_answer_streams_and_its_citation_opens_in_place(page: Any) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") in ("TEXTAREA", "BUTTON", "A", "SELECT")
    page.select_option("select[name=collection]", "handbook")
    page.fill("#question", "Who approves business class?")
    page.keyboard.press("Enter")
    page.wait_for_selector("#actions:not([hidden])")
    assert "head of the department" in page.inner_text("#answer")
    assert page.locator("#tip").is_hidden()
    page.focus("#answer button.mark")
    assert page.inner_text("#tip").startswith("Business class is allowed")
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()
    page.keyboard.press("Enter")
    marked = page.inner_text(".source.open mark >> nth=0")
    assert marked in (
        "Business class is allowed on flights of more than eight hours.",
        page.inner_text(".source.open mark"),
    )
    page.click("#trace summary")
    assert page.locator("#trace-body .trace-table tbody tr").count() > 1
    page.click("#feedback button[data-verdict=right]")
    page.wait_for_selector("#feedback:has-text('Thank you')")
    page.click(".source.open a")
    page.wait_for_selector("mark#marked")
    assert page.inner_text("mark#marked") in marked or marked in page.inner_text("mark#marked")


def test_a_link_asks_the_same_again(page: Any) -> None:
    page.goto("/")
    page.click(".drawer summary")
    page.select_option("select[name=fusion]", "dense")
    page.fill("input[name=window]", "0")
    page.select_option("select[name=collection]", "handbook")
    page.fill("#question", "Who approves business class?")
    page.click("button.primary")
    page.wait_for_selector("#actions:not([hidden])")
    address = page.get_attribute("#permalink", "href")
    page.goto(address)
    page.wait_for_selector("#actions:not([hidden])")
    assert page.input_value("select[name=fusion]") == "dense" and page.input_value("input[name=window]") == "0"
    assert "head of the department" in page.inner_text("#answer")


def test_files_are_sent_one_by_one_with_a_job_each(page: Any) -> None:
    page.goto("/upload")
    page.select_option("select[name=collection]", "zoo")
    files = [{"name": f"{name}.md", "mimeType": "text/markdown", "buffer": b"# Bird\n\nIt runs.\n" + name.encode()}
             for name in ("emu", "rhea")]  # fmt: skip
    page.set_input_files("input[name=files]", files)
    page.click("button.primary")
    for name in ("emu", "rhea"):
        page.wait_for_selector(f"#jobs:has-text('{name}.md: added')", timeout=60_000)
    assert page.locator("#jobs section").count() >= 2 and page.locator("#sending section").count() == 0


def test_without_script_a_form_gives_the_whole_page(browser: Any, address: str) -> None:
    context = browser.new_context(base_url=address, java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto("/")
    page.select_option("select[name=collection]", "handbook")
    page.fill("#question", "Who approves business class?")
    page.click("button.primary")
    assert "head of the department" in page.inner_text("#answer")
    assert page.locator("#panel-all .source").first.is_visible() and page.locator(".tabs").is_hidden()
    assert page.locator("#copy").is_hidden()
    link = page.get_attribute("#answer a.mark >> nth=0", "href")
    page.click("#feedback button[data-verdict=wrong_source]")
    assert "Thank you" in page.inner_text("main")
    page.goto(link)
    assert page.locator("mark#marked").count() == 1
    context.close()


def test_nothing_of_a_document_or_its_name_runs(page: Any) -> None:
    page.goto("/docs?collection=zoo")
    assert HOSTILE_NAME in page.inner_text("main")
    page.click("main td a")
    assert "<script>" in page.inner_text("article") and page.evaluate("window.hacked") is None
    page.goto("/?collection=zoo&question=What+did+the+otter+say%3F")
    page.wait_for_selector("#actions:not([hidden])")
    assert "<b>otter</b>" in page.inner_text("#panel-all, #panel-cited >> visible=true")
    assert page.evaluate("window.hacked") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible_and_fit_a_small_screen(browser: Any, address: str, scheme: str) -> None:
    """axe-core's rules of WCAG 2 A and AA (contrast, names, roles), in Chinese and English, 320 pixels wide."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed: make test-browser")
    language = "zh-CN" if scheme == "dark" else "en-GB"
    context = browser.new_context(
        base_url=address, color_scheme=scheme, locale=language, viewport={"width": 320, "height": 640}
    )
    page = context.new_page()
    options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]}
    for path in (
        "/?collection=handbook&question=Notice%3F",
        "/search?collection=handbook&question=notice",
        "/docs",
        "/upload",
        "/status",
    ):
        page.goto(path)
        if path.startswith("/?"):
            page.wait_for_selector("#actions:not([hidden])")
        found = axe.Axe().run(page, options=options).response["violations"]
        assert not found, (path, [(row["id"], [node["html"] for node in row["nodes"]][:3]) for row in found])
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
        assert page.evaluate("document.documentElement.lang") == ("zh-CN" if scheme == "dark" else "en")
    context.close()
