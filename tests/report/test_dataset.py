from itertools import pairwise

import numpy as np
import pytest

from tasks.core.state import Standing
from tasks.library.manifest import Kind, NotMade, Role, Step, StepRecord
from tasks.report.choice import PICTURES
from tasks.report.dataset import dataset_page, remarks
from tasks.report.pictures import Pictures
from tasks.xtend.cautions import notice, severe
from tasks.xtend.known_cautions import link_of

DONE = Standing(state="done")
TOP = "../../.."


@pytest.fixture
def make(dataset, parse):
    """Makes pictures and page in the dataset's folder; gives the report and the parsed page."""

    def made(target="M 87", standing=DONE, log_tail=""):
        report = dataset.page(target, standing, log_tail)
        return report, checked(parse((dataset.folder / "index.html").read_text(encoding="utf-8")), dataset)

    return made


def checked(page, dataset):
    """The page, whose links lead to the stored files and whose parts are as browsers need them."""
    own = f"{TOP}/900000010/30000010"
    links = {f"{own}/{product.path}" for product in dataset.products}
    inside = {link for link in page.links if not link.startswith("https://")}
    anchors = {link for link in inside if link.startswith("#")}
    up = {"../../index.html", "../index.html"}
    assert inside - anchors - up <= {*links, f"{own}/manifest.json", f"{TOP}/recipe.json"}
    assert inside >= {*links, *up}
    assert {anchor.removeprefix("#") for anchor in anchors} <= set(page.ids)
    assert all(image["alt"] for image in page.images)
    assert set(page.fetched) == {"data:,", *(image["src"] for image in page.images)}
    assert page.tags.count("script") == 1
    assert len(page.ids) == len(set(page.ids))
    return page


def test_a_whole_page(dataset, make):
    dataset.everything().manifest()
    report, page = make()
    assert report.not_made == {}
    assert all((dataset.folder / name).is_file() for name in PICTURES)
    pictures = ["image.png", "exposure-map.png", "light-curve.png", "spectrum.png", "channels.png", "fit.png"]
    assert [image["src"] for image in page.images] == pictures
    assert page.images[0]["width"] == "900"
    for said in (
        "M 87",
        "ObsID 900000010",
        "done",
        'severe : Too bright: 9 ct/s & "rising". About pile-up',
        "notice : The archive's cleaned events are used. What to do: Where the newest calibration matters, "
        "have them reprocessed by the HEASoft engine. About adopted-events",
        "PROCVER 03.00.013.009",
        "CALDBVER gen20250315",
        "RA 187.705930°, Dec +12.391120° (FK5, J2000), from RA_OBJ/DEC_OBJ of the events",
        f"xtend/event_cl/a_cl.evt.gz 1.23 MB {'1a' * 32}",
        "processing native xtendflow 0.1.0",
        "from tasks.engines.native.adopt import adopt adopt(**{'n': 1})",
        "rate-image-0.6-10.0-bin4.fits 0.6–10 keV, channels 100–1667, binning 4",
        "ds9 extraction-0123456789ab/rate-image-0.6-10.0-bin4.fits -scale log",
        "xspec - extraction-0123456789ab/load.xcm",
        "This work uses data of XRISM (Tashiro et al. 2020)",
        "These data are simulated: cite none of them",
        "Exposure 20.4 ks",
        "Simulated data.",
    ):
        assert said in page.text


def test_every_hash_can_be_checked(dataset, make):
    manifest = dataset.everything().manifest()
    _, page = make()
    for product in manifest.products:
        assert f"{product.sha256} {product.path}" in page.text


def test_headings_descend_without_gaps_and_tables_have_captions(dataset, make):
    dataset.everything().manifest()
    _, page = make()
    levels = [int(tag[1]) for tag in page.tags if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.tags.count("table") == page.tags.count("caption") > 2
    assert {"main", "header", "footer", "nav"} <= set(page.tags)


def test_cautions_lead_to_documentation(dataset, make):
    odd = notice("odd", "It is odd.").model_copy(update={"link": "javascript:alert(1)"})
    dataset.manifest(cautions=(severe("pile-up", "Too bright."), odd))
    _, page = make()
    outside = [link for link in page.links if "heasarc" not in link and link.startswith(("https:", "java"))]
    assert link_of("pile-up") in outside
    assert not [link for link in page.links if link.startswith("javascript")]
    assert "It is odd. odd" in page.text


def test_nothing_published_tells_state_and_reason(dataset, parse):
    standing = Standing(state="failed", kind="permanent", reason="a_cl.evt.gz is cut off")
    log = "05:30 reading s3://me:hunter@b\n05:31 cut off"
    made = dataset_page("900000010", "30000010", "M 87", standing, None, Pictures(), log)
    page = checked(parse(made), dataset)
    assert "failed (permanent): a_cl.evt.gz is cut off" in page.text
    assert "05:30 reading s3://***@b 05:31 cut off" in page.text
    assert "What to do: The data are at fault" in page.text
    assert "xtendflow show 900000010 --files" in page.text
    assert "Nothing has been published" in page.text
    assert page.images == []


def test_what_is_missing_says_why(dataset, make):
    dataset.image(pixels=np.full((607, 607), np.nan))
    why = "no background: the best circle is exposed by 12 %"
    dataset.manifest(
        not_made=(NotMade(step=Step.DERIVED, kind=Kind.LIGHT_CURVE, role=Role.NET, why=why, name="net.fits"),)
    )
    report, page = make()
    assert report.not_made == {
        "image.png": "no pixel of the rate image, 0.6–10 keV holds a count",
        "exposure-map.png": "there is no exposure map",
        "light-curve.png": f"there is no light curve of the source; {why}",
        "spectrum.png": "there is no spectrum of the source",
        "channels.png": "there is no RMF that tells energies of channels",
        "fit.png": "nothing was fitted",
    }
    shown = {file: said for file, said in report.not_made.items() if file != "fit.png"}
    assert all(f"No picture: {said}." in page.text for said in shown.values())
    assert "fitted" not in page.text
    assert f"light-curve net {why} net.fits" in page.text


def test_a_damaged_product_costs_its_picture_only(dataset, make):
    dataset.everything().manifest()
    (dataset.folder / "source-grouped-spectrum.fits").write_bytes(b"no FITS")
    report, page = make()
    # The light curves take the background's scale from the spectra.
    assert set(report.not_made) == {"spectrum.png", "light-curve.png"}
    assert [image["src"] for image in page.images] == [
        "image.png",
        "exposure-map.png",
        "channels.png",
        "fit.png",
    ]


def test_hostile_text_is_text(dataset, make, parse):
    hostile = '<script>alert("x")</script>'
    dataset.image()
    dataset.manifest(
        not_made=(NotMade(step=Step.DERIVED, kind=Kind.SPECTRUM, why=hostile),),
        cautions=(severe("x", f"'\"><img src=x onerror=alert(1)>{hostile}"),),
        steps={
            Step.PROCESSING: StepRecord(
                fingerprint="0" * 64,
                engine=hostile,
                versions={hostile: hostile},
                calls=({"function": hostile},),
                facts={hostile: [hostile]},
            )
        },
    )
    standing = Standing(state="failed", kind="software", reason=f'"quoted" & {hostile}')
    _, page = make(target=hostile, standing=standing, log_tail=hostile)
    assert f'"quoted" & {hostile}' in page.text
    assert [image["src"] for image in page.images] == ["image.png"]
    # One is the page's own.
    assert (dataset.folder / "index.html").read_text(encoding="utf-8").lower().count("<script") == 1


def test_a_plus_sign_in_a_link_is_escaped(dataset, make, parse):
    path = dataset.region(Role.SOURCE, "physical\ncircle(1215.5,1215.5,67.87)\n")
    named = dataset.products[0].model_copy(update={"path": "regions-0/AXJ1910.7+0917_src.reg"})
    manifest = dataset.manifest().model_copy(update={"products": (named,)})
    page = parse(dataset_page("900000010", "30000010", "M 87", DONE, manifest, Pictures()))
    assert f"{TOP}/900000010/30000010/regions-0/AXJ1910.7%2B0917_src.reg" in page.links
    assert path.name in page.text


@pytest.mark.parametrize("told_by", ["header", "facts", "nobody"])
def test_simulated_data_are_marked(dataset, make, told_by):
    dataset.simulated = told_by == "header"
    dataset.image()
    facts = {"simulated": told_by == "facts"}
    record = StepRecord(fingerprint="0" * 64, engine="native", versions={}, calls=(), facts=facts)
    dataset.manifest(steps={Step.PROCESSING: record})
    _, page = make()
    assert ("Simulated data." in page.text) == (told_by != "nobody")


def test_a_bare_manifest_makes_a_page(dataset, make):
    dataset.manifest(target=None, inputs=(), steps={}, cautions=())
    _, page = make()
    assert "No file has been published." in page.text
    assert "No target is recorded." in page.text
    assert "None is known." in page.text


def test_cautions_come_once_and_severe_ones_first(dataset):
    low = severe("low-energy", "Do not trust it.")
    dataset.image()
    dataset.image(band="2.0-10.0")
    dataset.products = [product.model_copy(update={"cautions": (low,)}) for product in dataset.products]
    manifest = dataset.manifest(cautions=(notice("n", "Note."),))
    found = remarks(manifest)
    assert [remark.caution.id for remark in found] == ["low-energy", "n", "adopted-events"]
    assert [len(remark.files) for remark in found] == [2, 0, 0]
