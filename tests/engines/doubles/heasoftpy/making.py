"""What the tools make in the current directory: by the native engine where it can, invented elsewhere."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
from astropy.io import fits

from tasks.core.errors import BadInput
from tasks.engines.native import exposure
from tasks.engines.native.extraction import extract
from tasks.engines.native.grouping import Beside, write_grouped
from tasks.engines.native.net_curves import write_net_curve
from tasks.xtend.geometry import DetPixels, SkyPixels, det_to_sky, sky_to_det
from tasks.xtend.grouping import GroupingKind, GroupingRule
from tasks.xtend.nominal import Nominal
from tasks.xtend.regions import Region, read_region

from . import invented
from .tools import Given, Refusal, say

OPTICS = {
    "OPTAXISX": 739.8, "OPTAXISY": 757.3, "OPT_ROTD": 0.0, "OPTXFLIP": 1, "OPTYFLIP": -1,
    "DET_XSCL": 0.048, "DET_YSCL": 0.048, "FOCALLEN": 5600.0,
}  # fmt: skip
"""How the telescope lies over the detector, which xaarfgen reads from an exposure map; invented."""
MOST_COORDINATES = 11
"""How many of a polygon coordpnt takes."""


def extractor(given: Given) -> None:
    files, channels = event_files(given["filename"])
    region = applied_region(given["regionfile"])
    images, curves, spectra = [], [], []
    if given["imgfile"].upper() != "NONE":
        images.append({"name": given["imgfile"], "channels": channels, "binning": given["binf"]})
    if given["fitsbinlc"].upper() != "NONE":
        curves.append(
            {"name": given["fitsbinlc"], "channels": channels, "region": region,
             "time_bin": given["binlc"], "threshold": given["lcthresh"]}
        )  # fmt: skip
    if given["phafile"].upper() != "NONE":
        spectra.append({"name": given["phafile"], "region": region, "exposure_map": None})
    if not (images or curves or spectra):
        raise Refusal("nothing to do")
    for item in (*images, *curves, *spectra):
        Path(item["name"]).unlink(missing_ok=True)
    extract(files, images, curves, spectra, "none")
    say(f"extracted {images or curves or spectra}")


def event_files(text: str) -> tuple[list[str], list[int] | None]:
    """Names of the files, and the channels of the cut, which stands behind the list's name."""
    name, _, cut = text.partition("[")
    names = Path(name[1:]).read_text().split() if name.startswith("@") else [name]
    if any("[" in each for each in names):
        raise Refusal("the tool does not see cuts within a list")
    if not cut:
        return names, None
    if not cut.startswith("PI="):
        raise Refusal(f"the cut {cut}")
    return names, [int(bound) for bound in cut[3:].removesuffix("]").split(":")]


def applied_region(name: str) -> str | None:
    """A region that cannot be read is none: the tool warns and goes on."""
    if name.upper() == "NONE":
        return None
    try:
        read_region(Path(name))
    except BadInput as exc:
        say(f"WARNING: region file ignored: {exc}")
        return None
    return name


def xaexpmap(given: Given) -> None:
    # The real tool needs no events: their aspect is that of the attitude file.
    with fits.open(given["gtifile"]) as good, fits.open(given["ehkfile"]) as attitude:
        header = attitude["EHK"].header
        column = fits.Column("TIME", "D", array=np.zeros(0))
        events = fits.BinTableHDU.from_columns([column], name="EVENTS")
        events.header.update(
            {key: header[key] for key in ("RA_NOM", "DEC_NOM", "PA_NOM", "RA_OBJ", "DEC_OBJ")}
        )
        events.header.update({"TELESCOP": "XRISM", "INSTRUME": "XTEND"})
        fits.HDUList([fits.PrimaryHDU(), events, good["GTI"].copy()]).writeto(
            "double_gti.fits", overwrite=True
        )
    output = Path(given["outfile"])
    output.unlink(missing_ok=True)
    exposure.make(
        given["ehkfile"], ["double_gti.fits"], given["badimgfile"], {"1": output.name}, given["delta"],
        given["numphi"], given["maskcalsrc"], "none",
    )  # fmt: skip
    with fits.open(output, mode="update") as hdus:
        hdus["OFFAXISHIST"].header.update(OPTICS)
        if given["outmaptype"] == "EFFICIENCY":
            hdus[0].data = (hdus[0].data / max(hdus[0].data.max(), 1)).astype(np.float32)
            hdus[0].header["BUNIT"] = ""


def fimgbin(given: Given) -> None:
    with fits.open(given["infile"]) as hdus:
        image, header = hdus[0].data.astype(np.float64), hdus[0].header.copy()
    size = (given["ybinsize"] or given["xbinsize"], given["xbinsize"])
    rows, columns = (length // one for length, one in zip(image.shape, size, strict=True))
    blocks = image[: rows * size[0], : columns * size[1]].reshape(rows, size[0], columns, size[1])
    for axis, one in ((1, size[1]), (2, size[0])):
        header[f"CRPIX{axis}"] = (header[f"CRPIX{axis}"] - 0.5) / one + 0.5
        header[f"CDELT{axis}"] *= one
    binned = blocks.mean(axis=(1, 3)) if given["average"] else blocks.sum(axis=(1, 3))
    fits.PrimaryHDU(binned.astype(np.float32), header).writeto(given["outfile"], overwrite=True)


def lcmath(given: Given) -> None:
    spectra = [Path("double_one.pha"), Path("double_scale.pha")]
    for path, value in zip(spectra, (1.0, given["multb"]), strict=True):
        column = fits.Column("COUNTS", "J", array=np.ones(1))
        table = fits.BinTableHDU.from_columns([column], name="SPECTRUM")
        table.header["BACKSCAL"] = value
        table.writeto(path, overwrite=True)
    output = Path(given["outfile"])
    output.unlink(missing_ok=True)
    errors: Any = {1: "linear", 2: "gaussian"}[given["err_mode"]]
    write_net_curve(
        output, Path(given["infile"]), Path(given["bgfile"]), spectra[1], spectra[0], errors, "none"
    )


def ahbackscal(given: Given) -> None:
    region = read_region(Path(given["regfile"]))
    with fits.open(given["expfile"]) as hdus:
        image, header = hdus[0].data.astype(np.float64), hdus[0].header
        total = float(hdus[1].header["EXPOSURE"])
        wcs = Nominal(header["CRVAL1"], header["CRVAL2"], 0.0).wcs()
    y, x = np.mgrid[1 : image.shape[0] + 1, 1 : image.shape[1] + 1]
    inside = image[region.contains(x, y, wcs)]
    norm = {"EXPOSURE": total, "MAX": inside.max(initial=0)}.get(given["norm"].upper())
    scale = inside.sum() / (norm or float(given["norm"])) / image.size if inside.any() else 0.0
    with fits.open(given["infile"], mode="update") as hdus:
        hdus["SPECTRUM"].header["BACKSCAL"] = scale


def ftgrouppha(given: Given) -> None:
    kind = given["grouptype"]
    if kind not in get_args(GroupingKind):
        raise Refusal(f"this double does not group by {kind}")
    Path(given["outfile"]).unlink(missing_ok=True)
    rule = GroupingRule(kind, None if kind == "opt" else int(given["groupscale"]))
    rmf = Path(given["respfile"]) if rule.needs_response else None
    background = Path(given["backfile"]) if rule.needs_background else None
    write_grouped(Path(given["outfile"]), Path(given["infile"]), rule, "none", Beside(rmf, background))


def coordpnt(given: Given) -> None:
    ways = {("DET", "RADEC"): to_sky, ("RADEC", "DET"): to_detector}
    way = given["startsys"], given["stopsys"]
    if way not in ways:
        raise Refusal(f"this double knows no way from {way[0]} to {way[1]}")
    lines = ways[way](read_region(Path(given["input"])), given)
    Path(given["outfile"]).write_text("\n".join(["# Region file written by coordpnt.", *lines]) + "\n")


def to_sky(region: Region, given: Given) -> Iterator[str]:
    nominal = Nominal(given["ranom"], given["decnom"], 0.0)
    yield "fk5"
    for shape in region.shapes:
        det = DetPixels(np.array(shape.x[:1], float), np.array(shape.y[:1], float))
        ra, dec = nominal.world(det_to_sky(det, given["roll"]))
        sign = "+" if shape.include else "-"
        # As the tool writes it: every number with eight digits and marked as degrees.
        numbers = (ra[0], dec[0], shape.sizes[0] * 0.000491106681541)
        yield f"{sign}circle({','.join(f'{number:.8f}d' for number in numbers)})"


def to_detector(region: Region, given: Given) -> Iterator[str]:
    nominal = Nominal(given["ranom"], given["decnom"], 0.0)
    yield "physical"
    for shape in region.pixel_shapes(nominal.wcs()):
        if shape.kind == "polygon" and 2 * len(shape.x) > MOST_COORDINATES:
            raise Refusal("Too many points in polygon")
        det = sky_to_det(SkyPixels(np.array(shape.x), np.array(shape.y)), given["roll"])
        places = np.stack([det.x, det.y], axis=1).ravel()
        turned = [shape.angle - given["roll"]] if shape.kind in ("box", "ellipse") else []
        numbers = ",".join(f"{number:.8f}" for number in (*places, *shape.sizes, *turned))
        yield f"{'+' if shape.include else '-'}{shape.kind}({numbers})"


def xtdrmf(given: Given) -> None:
    with fits.open(given["infile"]) as hdus:
        if hdus[0].data is None:
            raise Refusal("the spectrum has no WMAP")
        if hdus[0].header.get("MTYPE1") != "DET":
            raise Refusal("Invalid coordinate type in WMAP image")
    invented.write_rmf(Path(given["outfile"]))


def xaarfgen(given: Given) -> None:
    with fits.open(given["emapfile"]) as hdus:
        if "OFFAXISHIST" not in hdus:
            raise Refusal("emapfile has no OFFAXISHIST")
        if lacking := OPTICS.keys() - hdus["OFFAXISHIST"].header.keys():
            raise Refusal(f"Illegal division by zero: OFFAXISHIST has no {', '.join(sorted(lacking))}")
    traced = Path(given["xrtevtfile"])
    if not traced.exists():
        invented.write_photons(traced, given["numphoton"])
    if invented.fewest_photons(traced) < given["minphoton"]:
        # The tool ends well then, as here, and leaves no ARF.
        say("Number of raytrace photons too low: statistical errors on ARF will be too large")
        return
    low, high = (float(text) for text in given["erange"].split()[:2])
    invented.write_arf(Path(given["outfile"]), low, high)


def xtdpipeline(given: Given) -> None:
    indir, outdir = Path(given["indir"]).absolute(), Path(given["outdir"]).absolute()
    if outdir.is_relative_to(indir):
        raise Refusal("duplicate files found: outdir lies in indir")
    stem = given["steminputs"]
    lists = sorted(
        path for path in indir.iterdir() if path.name.startswith(f"{stem}xtd_p") and "_uf.evt" in path.name
    )
    if not lists:
        raise Refusal(f"no unfiltered events of {stem} in {given['indir']}")
    if outdir.exists():
        shutil.rmtree(outdir)
    outdir.mkdir()
    invented.reprocess(lists, indir, Path(given["obsgti"]), outdir)


def searchflickpix(given: Given) -> None:
    invented.write_pixels(Path(given["infile"]), Path(given["outfile"]))


def coordevt(given: Given) -> None:
    with fits.open(given["infile"]) as hdus:
        table = hdus[given["infileext"]]
        for name in ("DETX", "DETY"):
            if name in table.columns.names:
                table.data[name] = table.data[name] + 0
        hdus.writeto(given["outfile"], overwrite=True)


def xtdpixclip(given: Given) -> None:
    if given["pmode"] == "apply":
        invented.write_pixels(Path(given["evtinfile"]), Path(f"{given['outroot']}.fpix"))
        shutil.copyfile(given["evtinfile"], f"{given['outroot']}_cl.evt")
