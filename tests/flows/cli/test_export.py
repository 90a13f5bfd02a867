"""`xtendflow export`: the published products as a VOTable."""

import hashlib
import json
import re

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.io.votable import validate
from astropy.table import Table
from matplotlib.path import Path as Polygon

TRAP = "[/bold] [red]not a colour[/red] [dML87] 563"


def test_before_the_first_sweep_there_is_nothing_to_export(refused):
    assert "no sweep has been run there" in refused("export")


@pytest.mark.usefixtures("swept")
@pytest.mark.parametrize(
    ("name", "says"), [("nowhere/obscore.vot", "there is no folder nowhere"), ("sweep-data", "is a folder")]
)
def test_where_no_file_can_be(refused, name, says):
    assert says in refused("export", name)


@pytest.mark.usefixtures("swept")
def test_products_are_written_under_the_name_given_or_the_usual_one(xtendflow, here):
    ended = xtendflow("export")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == f"2 products in {here / 'obscore.vot'}\n"
    assert json.loads(xtendflow("export", "other.vot", "--json").out) == {
        "file": str(here / "other.vot"),
        "products": 2,
    }
    assert (here / "other.vot").read_bytes() == (here / "obscore.vot").read_bytes()
    table = Table.read(here / "obscore.vot")
    assert set(table["target_name"]) == {TRAP}
    url = (here / "sweep-data/store/900001010/30000010/extraction-0/1.img").as_uri()
    assert url in table["access_url"]
    assert sorted(path.name for path in here.iterdir()) == ["obscore.vot", "other.vot", "sweep-data"]


def test_a_dataset_whose_manifest_is_gone_is_left_out_and_named(xtendflow, swept):
    (swept / "store/900001010/30000010/manifest.json").unlink()
    ended = xtendflow("export")
    assert (ended.status, ended.out.split()[0]) == (0, "0")
    assert "left out: 900001010/30000010" in ended.err


def test_a_map_that_cannot_be_read_costs_its_outline_alone(xtendflow, swept, here):
    path = swept / "store/900001010/30000010/manifest.json"
    manifest = json.loads(path.read_bytes())
    manifest["products"][0]["kind"] = "exposure-map"
    path.write_text(json.dumps(manifest))
    ended = xtendflow("export")
    assert (ended.status, ended.out.split()[0]) == (0, "2")
    assert "900001010/30000010 has no outline and no times: " in ended.err
    assert Table.read(here / "obscore.vot")["t_min"].mask.all()


@pytest.mark.system
def test_a_demo_observation(place, tmp_path):
    """Against the files themselves, and what the simulation says."""
    assert place.sweep("900001010").status == 0
    file = tmp_path / "obscore.vot"
    done = place.run("export", str(file))
    assert done.returncode == 0, done.stderr
    assert validate(file, output=None)
    table, store = Table.read(file), place.folder / "store"
    published = place.published()
    assert len(table) == len(published)
    truth = Table.read(place.archive / "xrismmastr.ecsv")
    truth = truth[truth["obsid"].astype(str) == "900001010"][0]
    sizes = {}
    for row in table:
        path = (tmp_path / row["access_url"].removeprefix("file://")).relative_to(store)
        assert published[str(path)] == row["sha256"]
        assert hashlib.sha256((store / path).read_bytes()).hexdigest() == row["sha256"]
        assert 0 <= row["access_estsize"] * 1000 - (store / path).stat().st_size < 1000
        if row["dataproduct_subtype"] in ("image", "rate-image", "exposure-map"):
            header = fits.getheader(store / path)
            assert (row["s_xel1"], row["s_xel2"]) == (header["NAXIS1"], header["NAXIS2"])
            sizes[row["s_xel1"]] = store / path
        assert row["s_region"].split()[:2] in (["POLYGON", "ICRS"], ["CIRCLE", "ICRS"])
    field = table[table["dataproduct_subtype"] == "exposure-map"][0]
    exposure = field["t_exptime"]
    target = SkyCoord(truth["ra"], truth["dec"], unit="deg")
    assert target.separation(SkyCoord(field["s_ra"], field["s_dec"], unit="deg")).arcmin < 12
    corners = np.array(re.findall(r"-?[\d.]+", field["s_region"]), float).reshape(-1, 2)
    assert Polygon(corners).contains_point((truth["ra"], truth["dec"]))
    around = SkyCoord(corners, unit="deg").separation(SkyCoord(field["s_ra"], field["s_dec"], unit="deg"))
    assert field["s_fov"] == pytest.approx(2 * around.deg.max(), rel=1e-4)
    # Four CCDs of 640 pixels and the gap between them, 0.048 mm each at 5600 mm, turned by some angle.
    side = (2 * 640 + 17) * np.degrees(0.048 / 5600)
    assert field["s_fov"] == pytest.approx(np.sqrt(2) * side, rel=0.04)
    assert 0 < field["t_max"] - field["t_min"] < 2
    assert exposure < (field["t_max"] - field["t_min"]) * 86400
    assert field["t_min"] == pytest.approx(truth["time"], abs=0.05)
    hard = table[[title.find("2.0-10.0 keV") > 0 for title in table["obs_title"]]]
    assert set(np.round(12.398419843 / (hard["em_min"] * 1e10), 3)) == {10.008}
