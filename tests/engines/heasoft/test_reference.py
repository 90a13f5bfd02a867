"""Our calls on the reference dataset, compared with what extractor 5.31 and its companions made of it.

With the double they show that calls and files fit; with real tools (HEADAS set, `-m heasoft`) that these do
what the reference says, each test skipping where its tool is absent.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tasks.engines.heasoft.curves import net_call
from tasks.engines.heasoft.extractor import (
    Events,
    image_parameters,
    light_curve_parameters,
    spectrum_parameters,
)
from tasks.engines.heasoft.grouping import group_call
from tasks.engines.heasoft.spectra import backscal_call
from tasks.engines.heasoft.tool import tool_call
from tasks.engines.runner import run_call_blocking
from tasks.xtend.channels import Channels
from tasks.xtend.grouping import GroupingRule

REFERENCE = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "heasoft-reference"
ALPHA, EXTRAS = REFERENCE / "alpha", REFERENCE / "alpha-extras"
EVENTS = Events(("events0.evt",))
SPLIT = Events(("first.evt", "second.evt"))
SOFT = Channels(100, 334)

pytestmark = pytest.mark.skipif(not ALPHA.is_dir(), reason="no reference data beside the repository")


@pytest.fixture
def links(tmp_path):
    """The reference files, unpacked, by their names in working directories."""
    plain = {
        "events0.evt": ALPHA / "xa900000010xtd_p030000010_cl.evt.gz",
        "expmap.fits": ALPHA / "ref" / "expmap.fits.gz",
        "source.lc": ALPHA / "ref" / "lc_src_en0.6_2.0_200s.fits.gz",
        "background.lc": ALPHA / "ref" / "lc_back_en0.6_2.0_200s.fits.gz",
        "spectrum.fits": ALPHA / "ref" / "spectrum_src.fits.gz",
        "source.rmf": EXTRAS / "gauss.rmf.gz",
        **{name: EXTRAS / f"split_p{number}_cl.evt.gz" for number, name in enumerate(SPLIT.files)},
    }
    for name, path in plain.items():
        (tmp_path / name).write_bytes(gzip.decompress(path.read_bytes()))
    links = {name: str(tmp_path / name) for name in plain}
    return links | {"source.reg": str(ALPHA / "src.reg"), "source.pha": links["spectrum.fits"]}


def ran(call, links, tmp_path):
    """Run a call with those of the files that it names; its first output."""
    named = {name: links[name] for name in call.inputs}
    directory = tmp_path / "work"
    run_call_blocking(call.model_copy(update={"inputs": named}), directory)
    return directory / call.outputs[0]


def extraction(parameters, output, *names, events=EVENTS):
    return tool_call(
        "extractor", parameters, inputs=dict.fromkeys((*events.files, *names), ""), texts=events.texts(),
        outputs=[output], chatter=1, timeout=600,
    )  # fmt: skip


def reference(name, hdu, column=None, folder=ALPHA):
    data = fits.getdata(folder / "ref" / f"{name}.fits.gz", hdu)
    return data if column is None else data[column]


@pytest.mark.parametrize("binning", [1, 4])
def test_an_image(installed, links, tmp_path, binning):
    installed("extractor")
    call = extraction(image_parameters(EVENTS, SOFT, binning, "image0.fits"), "image0.fits")
    made = ran(call, links, tmp_path)
    np.testing.assert_array_equal(fits.getdata(made), reference(f"image_en0.6_2.0_bin{binning}", 0))


def test_an_image_of_a_split_list_is_the_sum_of_its_parts(installed, links, tmp_path):
    installed("extractor")
    images = {}
    for events in (SPLIT, *(Events((file,)) for file in SPLIT.files)):
        call = extraction(image_parameters(events, SOFT, 4, "image0.fits"), "image0.fits", events=events)
        made = ran(call, links, tmp_path / str(len(images)))
        images[events] = fits.getdata(made)
        assert (fits.getval(made, "CHANMIN"), fits.getval(made, "CHANMAX")) == (SOFT.low, SOFT.high)
    whole, *parts = images.values()
    assert all(part.any() for part in parts)
    np.testing.assert_array_equal(whole, sum(parts))


def test_a_light_curve(installed, links, tmp_path):
    installed("extractor")
    parameters = light_curve_parameters(EVENTS, SOFT, "source.reg", 200.0, 0.0, "curve0.fits")
    made = fits.getdata(ran(extraction(parameters, "curve0.fits", "source.reg"), links, tmp_path), "RATE")
    for name in ("TIME", "RATE", "ERROR", "FRACEXP"):
        given = reference("lc_src_en0.6_2.0_200s", "RATE", name)
        np.testing.assert_allclose(made[name], given, rtol=1e-6)


def test_a_spectrum(installed, links, tmp_path):
    installed("extractor")
    parameters = spectrum_parameters(EVENTS, "source.reg", "counts0.fits")
    made = ran(extraction(parameters, "counts0.fits", "source.reg"), links, tmp_path)
    np.testing.assert_array_equal(
        fits.getdata(made, "SPECTRUM")["COUNTS"], reference("spectrum_src", "SPECTRUM", "COUNTS")
    )
    np.testing.assert_array_equal(fits.getdata(made, 0), reference("spectrum_src", 0))


@pytest.mark.parametrize("norm", ["EXPOSURE", "MAX"])
def test_backscal(installed, links, tmp_path, norm):
    installed("ahbackscal")
    names = dict.fromkeys(("source.reg", "expmap.fits", "spectrum.fits"), "")
    call = backscal_call(
        "spectrum.fits", "scaled.fits", "source.reg", norm=norm, links=names, after={}, chatter=1
    )
    made = fits.getheader(ran(call, links, tmp_path), "SPECTRUM")["BACKSCAL"]
    given = json.loads((ALPHA / "reference.json").read_text())["backscal"][f"src_{norm}"]
    assert made == pytest.approx(given, rel=1e-6)


@pytest.mark.parametrize(("errors", "mode"), [("gaussian", 2), ("linear", 1)])
def test_a_net_curve(installed, links, tmp_path, errors, mode):
    installed("lcmath")
    for name, value in (("source.pha", 0.4321), ("background.pha", 1.0)):
        links[name] = str(tmp_path / name)
        table = fits.BinTableHDU.from_columns([fits.Column("COUNTS", "J", array=[1])], name="SPECTRUM")
        table.header["BACKSCAL"] = value
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(links[name])
    names = dict.fromkeys(("source.lc", "background.lc", "source.pha", "background.pha"), "")
    made = fits.getdata(ran(net_call("net0.fits", errors, names, 1), links, tmp_path), "RATE")
    for name in ("RATE", "ERROR"):
        given = reference(f"lc_net_en0.6_2.0_errmode{mode}", "RATE", name)
        np.testing.assert_allclose(made[name], given, rtol=2e-6)


@pytest.mark.parametrize(
    ("folder", "rule"), [(ALPHA, "min:1"), (ALPHA, "min:25"), (EXTRAS, "min:20"), (EXTRAS, "opt")]
)
def test_groups(installed, links, tmp_path, folder, rule):
    installed("ftgrouppha")
    parsed = GroupingRule.parse(rule)
    names = ["source.pha", *(["source.rmf"] if parsed.needs_response else [])]
    made = ran(group_call("grouped0.fits", parsed, dict.fromkeys(names, ""), 1), links, tmp_path)
    np.testing.assert_array_equal(
        fits.getdata(made, "SPECTRUM")["GROUPING"],
        reference(f"grouped_{rule.replace(':', '')}", "SPECTRUM", "GROUPING", folder),
    )
