"""A real browser, and datasets to look at: one of two methods, one whose texts want to be markup."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hnhub
from small_run import make_dataset

HOSTILE = (
    "<script>window.owned = 1</script>",
    "<img src=x onerror='window.owned = 1'>",
    "</script><script>window.owned = 1</script>",
    "\"><svg onload='window.owned = 1'>",
    "<!-- <style>body{display:none}</style> {{ 7 * 7 }} {% raw %}",
    "javascript:window.owned=1 &lt;b&gt;not bold&lt;/b&gt;",
    "\u202eevil txt\u202c ]]> \u2028 \u0000 \\u003cscript\\u003e",
)
ARABIC = "تغلي الغلاية لترين من الماء في أربع دقائق ثم تتوقف"
CHINESE = "水壶在四分钟内烧开两升水然后停止"


@pytest.fixture(autouse=True)
def _home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HNHUB_HOME", str(home))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a dataset: 12 queries, llm and bm25 with two negatives each, one query short in each."""
    return make_dataset(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def hostile_corpus() -> "hnhub.Corpus":
    documents = {f"d{n}": f"{HOSTILE[n % len(HOSTILE)]} kettle number {n} boils {n} litres in all" for n in range(40)}
    documents |= {"ar": ARABIC, "zh": CHINESE, "<b>id</b>": "kettle of an odd name boils"}
    queries = {f"q{n}": f"which kettle boils {n} litres {HOSTILE[n % len(HOSTILE)]}" for n in range(7)}
    queries |= {"<i>q</i>": "a kettle of an odd name", "q-ar": ARABIC[:30]}
    qrels = {**{f"q{n}": [f"d{n}"] for n in range(7)}, "<i>q</i>": ["<b>id</b>"], "q-ar": ["ar"]}
    return hnhub.open_corpus(documents, name="hostile", queries=queries, qrels=qrels, split="train")


class Browser:
    """Headless Chromium on one page, by keys and clicks as a person uses it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, address: Path | str) -> None:
        """Open a page and wait for its data."""
        self.driver.get(address.as_uri() if isinstance(address, Path) else address)
        self.wait("return document.documentElement.dataset.opened")

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str, seconds: float = 30) -> Any:
        """What the script gives, once it is true."""
        end = time.monotonic() + seconds
        while not (found := self.run(script)):
            assert time.monotonic() < end, f"never came true: {script}; the page says {self.text('#what')}"
            time.sleep(0.02)
        return found

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0])?.textContent", selector))

    def texts(self, selector: str) -> list[str]:
        return list(
            self.run("return [...document.querySelectorAll(arguments[0])].map(one => one.textContent)", selector)
        )

    def becomes(self, selector: str, *expected: str) -> None:
        """The texts of what the selector finds are these, at once or soon: a filter waits for the next letter."""
        end = time.monotonic() + 10
        while (found := self.texts(selector)) != list(expected):
            assert time.monotonic() < end, f"{selector}: {found}, not {expected}"
            time.sleep(0.02)

    def press(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def type(self, selector: str, text: str) -> None:
        """Type into a field."""
        field = self.driver.find_element("css selector", selector)
        field.clear()
        field.send_keys(text)

    def select(self, selector: str, value: str) -> None:
        from selenium.webdriver.support.select import Select

        Select(self.driver.find_element("css selector", selector)).select_by_value(value)

    def click(self, selector: str) -> None:
        self.driver.find_element("css selector", selector).click()

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        told = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", told)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def requests(self) -> list[str]:
        """What was asked of the network since the last call."""
        sent = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        urls = [one["params"]["request"]["url"] for one in sent if one["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith(("data:", "blob:"))]


@pytest.fixture(scope="session")
def _chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no browser: apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    downloads = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--window-size=1400,900", "--no-first-run"):
        options.add_argument(argument)
    if os.geteuid() == 0:  # in a container there is no other user
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as started:
        browser = Browser(started)
        browser.downloads = downloads
        yield browser


@pytest.fixture
def browser(_chromium: Browser) -> Iterator[Browser]:
    """Chromium on an empty page. What a page kept in it goes with the test."""
    _chromium.driver.get("about:blank")
    _chromium.size(1400, 900)
    _chromium.errors()
    _chromium.requests()
    yield _chromium
    _chromium.run("try { localStorage.clear() } catch { /* an empty page has none */ }")


@pytest.fixture
def look(browser: Browser, tmp_path: Path) -> Callable[..., Browser]:
    """Open the page of a dataset."""

    def opened(data: Any, **options: Any) -> Browser:
        browser.open(hnhub.view(data, **options).save(tmp_path / "page.html"))
        return browser

    return opened
