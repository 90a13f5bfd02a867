"""A sweep with the recipe that comes with the demo archive: from events to a fit and its page."""

import json
from pathlib import Path

import pytest
from astropy.io import fits

from tasks.archive.simulated.recipe import FITTED, RECIPE

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"),
]

DATASET = f"{FITTED}/30000010"


def test_the_demo_recipe_fits_what_was_simulated(place):
    pytest.importorskip("sherpa")
    swept = place.sweep(FITTED, more=("--recipe", str(place.archive / RECIPE)))
    assert swept.status == 0, swept.err
    place.check_store()
    manifest = place.manifests()[DATASET]
    products = {(item["kind"], item["role"]): item for item in manifest["products"]}
    for kind in ("region", "rmf", "arf", "spectrum", "grouped-spectrum", "fit"):
        assert (kind, "source") in products, manifest["not_made"]
    assert ("region", "background") in products
    assert sum(item["kind"] == "loader-script" for item in manifest["products"]) == 2
    store = place.folder / "store" / DATASET

    # The spectrum names what belongs to it.
    with fits.open(store / products["grouped-spectrum", "source"]["path"]) as hdus:
        header = hdus["SPECTRUM"].header
        assert header["RESPFILE"] == products["rmf", "source"]["name"]

    # What was simulated comes out: with some hundred counts to a few thousand, within 4 standard errors.
    truth = json.loads((place.archive / "truth.json").read_text())[FITTED]["30000010"]
    true = truth["sources"][0]["parameters"]
    fit = json.loads((store / products["fit", "source"]["path"]).read_text())
    assert fit["converged"]
    assert fit["statistic"]["name"] == "wstat"
    assert fit["statistic"]["value"] < 1.5 * fit["dof"]
    assert fit["flux"]["unit"] == "erg / (cm2 s)"
    for name in ("powerlaw.PhoIndex", "powerlaw.norm"):
        found = fit["parameters"][name]
        end = found["low"] if found["value"] > true[name] else found["high"]
        assert abs(found["value"] - true[name]) < 4 / 1.645 * abs(end - found["value"]), name
    # The absorption is that of other abundances, and so little that it is hardly there.
    assert fit["parameters"]["phabs.nH"]["value"] < 0.3

    # The page shows it, with what is to be known of it.
    page = (place.folder / "store/report" / DATASET / "index.html").read_text()
    assert '<h2 id="fit">' in page
    assert "phabs*powerlaw" in page
    assert all(name in page for name in fit["parameters"])
    assert "quick look" in page, "the RMF of the archive has its caution"
    for caution in [*manifest["cautions"], *products["fit", "source"]["cautions"]]:
        assert caution["sentence"].partition("″")[0].partition("'")[0] in page, caution["id"]

    # The second time there is nothing to do.
    calls = place.calls()
    again = place.sweep(FITTED, more=("--recipe", str(place.archive / RECIPE)))
    assert (again.status, again.begun) == (0, {})
    assert place.calls() == calls
