"""Embedders that are quick to build (the stand-in for sound, the mean colour for pictures), and a browser for pages."""

import shutil
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def embedder_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("embedders")


@pytest.fixture(scope="session")
def embedders(embedder_cache):
    import tensorflow as tf

    from avkeras.features.embedders import EmbedderSpec, load_embedder
    from avkeras.features.saved_model import export_embedder

    weight = tf.Variable(np.random.default_rng(1).normal(size=(3, 6)).astype("float32"))
    folder = export_embedder(
        lambda pictures: tf.reduce_mean(pictures, axis=(1, 2)) @ weight,
        embedder_cache / "mean_colour",
        spec=EmbedderSpec("mean_colour", "video", 6, size=(8, 12)),
        tracked=weight,
    )
    return {"audio": load_embedder("vggish_stand_in", cache_dir=embedder_cache), "video": load_embedder(folder)}


# Nothing of the browser's own is asked from the network, and pages may play sound without a click.
BROWSER_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
)


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium of the system."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="pages are tested with playwright: pip install it")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("pages are tested in Chromium: install Debian's package chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(BROWSER_OPTIONS))
        yield browser
        browser.close()


@pytest.fixture
def browser_page(browser):
    """Opens a page's file; whatever a page says on the console, throws, or asks from elsewhere fails the test."""
    problems, pages = [], []

    def open_page(path, *, width=1280, height=800):
        page = browser.new_page(viewport={"width": width, "height": height})
        pages.append(page)
        page.set_default_timeout(10_000)
        page.on("console", lambda message: problems.append(f"console {message.type}: {message.text}"))
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        own = Path(path).resolve().as_uri()
        page.on(
            "request",
            lambda request: (
                request.url in (own,)
                or request.url.startswith(("data:", "blob:"))
                or problems.append(f"asks for {request.url[:200]}")
            ),
        )
        page.goto(own)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert not problems, "\n".join(problems)
