"""Prefect's own pages after a sweep, in a real browser: what people look at in the morning."""

import json
import re
from pathlib import Path

import httpx
import pytest

pytestmark = [
    pytest.mark.system,
    pytest.mark.browser,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]
TRUNCATED, DAMAGED, ENCRYPTED = "900011010", "900012010", "900008010"


@pytest.fixture(scope="module")
def api(own_api):
    """Prefect's pages show whatever is on their server."""
    return own_api


@pytest.fixture
def ui(api):
    return api.removesuffix("/api")


@pytest.fixture
def page(ui, chromium):
    """A page of a browser, from which nothing is asked elsewhere."""
    elsewhere = set()

    def watch(request):
        if not request.url.startswith((ui, "data:", "blob:")):
            elsewhere.add(request.url)

    context = chromium.new_context(viewport={"width": 1400, "height": 1000}, base_url=ui)
    context.set_default_timeout(60_000)
    context.on("request", watch)
    yield context.new_page()
    context.close()
    assert elsewhere == set()


def choose(page, select, option):
    """Choose something in one of the filters above the runs."""
    page.locator(f"{select} button").first.focus()
    page.keyboard.press("ArrowDown")
    page.get_by_role("option").filter(has_text=re.compile(rf"^\s*{option}\s*$")).click()
    # Anywhere else: that closes the list.
    page.mouse.click(700, 20)


def test_what_failed_is_found_and_explained(place, prefect, page):
    swept = place.sweep(TRUNCATED, DAMAGED, ENCRYPTED)
    assert swept.status == 1, swept.err
    runs = prefect.observations(swept)

    # By tag and by state: one run for each ObsID that failed.
    page.goto("/runs")
    choose(page, ".flow-run-tags-input", "error:permanent")
    choose(page, ".state-name-select", "Failed")
    page.get_by_text(re.compile("^2 runs$")).wait_for()
    found = {link.get_attribute("href") for link in page.locator("a[href^='/runs/flow-run/']").all()}
    assert found == {f"/runs/flow-run/{runs[obsid]['id']}" for obsid in (TRUNCATED, DAMAGED)}
    tags = f"error:permanent obsid:{DAMAGED} engine:native".split()
    assert set(tags) <= set(runs[DAMAGED]["tags"])
    assert page.get_by_text(f"obsid:{DAMAGED}", exact=True).is_visible()

    # Of the tasks, the very step.
    page.get_by_text("Task runs", exact=True).first.click()
    page.get_by_role("link", name=f"fetch {DAMAGED}").wait_for()
    assert page.locator("a[href^='/runs/task-run/']").count() == 2

    # The table, from the list of artifacts.
    page.goto("/artifacts")
    page.locator("a[href='/artifacts/key/failed-obsids']").first.click()
    page.locator("a[href^='/artifacts/artifact/']").first.click()
    rows = page.locator("table tbody tr")
    rows.first.wait_for()
    cells = [row.locator("td").all_inner_texts() for row in rows.all()]
    assert [cell[0].split()[0] for cell in cells] == [TRUNCATED, DAMAGED]
    assert [cell[1:4] for cell in cells] == [["–", "download", "permanent"]] * 2
    assert "CRC" in cells[1][4]
    assert cells[1][5] == "1"
    table = page.locator("table").first.bounding_box()
    frame = page.locator("table").first.locator("xpath=..").bounding_box()
    assert table["x"] + table["width"] <= frame["x"] + frame["width"] + 1, "nothing is cut off"
    with page.expect_popup() as popup:
        rows.nth(1).get_by_role("link", name="run").click()
    popup.value.get_by_text(f"{DAMAGED} SIM").first.wait_for()
    assert popup.value.url.endswith(f"/runs/flow-run/{runs[DAMAGED]['id']}")
    with page.expect_popup() as popup:
        rows.nth(1).get_by_role("link", name="log").click()
    popup.value.locator("a[href^='/artifacts/artifact/']").first.click()
    popup.value.get_by_text("The last lines of").wait_for()
    assert "CRC" in popup.value.locator("pre").inner_text()

    # The sweep's own page leads to its summary.
    page.goto(f"/runs/flow-run/{prefect.sweep(swept)['id']}")
    page.get_by_text("Artifacts", exact=True).last.click()
    page.locator("a[href^='/artifacts/artifact/']").filter(has_text="sweep-summary").first.click()
    page.get_by_text("2 failed(permanent)").wait_for()
    assert page.get_by_text("3 observations, 3 of them run").is_visible()


def test_the_form_refuses_nonsense_and_starts_a_run(place, prefect, api, page):
    done = place.run("deploy", "--pool", "xtendflow")
    assert done.returncode == 0, done.stderr
    found = httpx.get(f"{api}/deployments/name/sweep/on-demand", trust_env=False).json()
    page.goto(f"/deployments/deployment/{found['id']}/run")
    page.get_by_text("Search radius around target or position in arcmin").wait_for()
    assert "---" not in page.locator("form").inner_text(), "what is for programmers"
    radius = page.locator("input[type=number]").first
    assert radius.input_value() == "15"
    radius.fill("-5")
    page.get_by_role("button", name="Submit").click()
    page.get_by_text(re.compile(r"Validation failed for field 'query.radius_arcmin'.*-5")).first.wait_for()
    before = prefect.ask("flow_runs", deployments={"id": {"any_": [found["id"]]}})
    assert before == []
    radius.fill("20")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(lambda url: not url.endswith("/run"))
    (run,) = prefect.ask("flow_runs", deployments={"id": {"any_": [found["id"]]}})
    assert run["state_type"] == "SCHEDULED"
    assert run["parameters"]["query"]["radius_arcmin"] == 20, json.dumps(run["parameters"])
    assert "xtendflow" in run["tags"]
