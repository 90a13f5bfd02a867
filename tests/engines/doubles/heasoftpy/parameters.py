"""The parameters of the tools: name, type, mode (a asked, h hidden), default, range.

From the parameter files of HEASoft 6.20 and the help pages of later releases; those of XRISM's own tools may
differ in detail.
"""

_TABLE = """
extractor
  filename s a good.evt | eventsout s a NONE | imgfile s a none | phafile s a test.pha | fitsbinlc s a NONE
  binlc r a 64 | regionfile s a test.reg | timefile s a none | adjustgti b a no | xcolf s a DETX
  ycolf s a DETY | tcol s a TIME | ecol s a PI | xcolh s a DETX | ycolh s a DETY | exitnow b h no | binf i h 1
  fullimage b h yes | specbin i h 1 | wtmapb b h yes | wtmapfix b h yes | swmapx b h no | swmapy b h no
  binh i h 1 | wmapver i h 2 | qdpfile s h NONE | lcthresh r h 1.0 | lcthwarn r h 3.0 | lcstart r h -1.0
  lctzero b h yes | unbinlc s h NONE | gtinam s h GTI | zcolf s h NONE | xint r h 1.0 | yint r h 1.0
  ccol s h CCD_ID | gcol s h NONE | gstring s h NONE | gtitxt s h NONE | xronwn s h NONE | events s h EVENTS
  gti s h STDGTI | timeorder b h no | timeref r h 40000.0 | tpixrpar r h -999 | eventkey s h NONE
  phamax s h PHA_BINS | xfkey s h NONE | yfkey s h NONE | xhkey s h NONE | yhkey s h NONE | copyall b h no
  clobber b h yes
xaexpmap
  ehkfile s a | gtifile s a | instrume s a XTEND | badimgfile s a NONE | pixgtifile s a NONE | outfile s a
  outmaptype s a EXPOSURE EXPOSURE|EFFICIENCY | delta r a 0.5 0: | numphi i a 4 0:
  stopsys s h SKY DET|FOC|SKY | instmap s h CALDB | qefile s h CALDB | contamifile s h CALDB
  vigfile s h CALDB | obffile s h CALDB | fwfile s h CALDB | gvfile s h CALDB | maskcalsrc b h yes
  fwtype s h FILE | specmode s h MONO MONO|SPEC | specfile s h NONE | specform s h FITS | energy s h 6.0
  evperchan s h DEFAULT | abund s h 1 | cols s h 0 | covfac s h 1 | buffer i h -1 | clobber b h no
  chatter i h 1 0:3 | logfile s h !DEFAULT | debug b h no | history b h yes
ahbackscal
  infile s a | regfile s a | expfile s a | norm s h MAX | cleanup b h yes | clobber b h no | chatter i h 2 0:3
  logfile s h !DEFAULT
ftgrouppha
  infile s a | backfile s h NONE | outfile s a
  grouptype s a min bmin|constant|min|snmin|opt|optmin|optsnmin|file | groupscale r a 1 | minchannel i h -1
  maxchannel i h -1 | respfile s h NONE | templatefile s h NONE | rows s h - | clobber b h no
  chatter i h 1 0:5
fimgbin
  infile s a | outfile s a | xbinsize i a 2 1: | ybinsize i h 0 0: | datatype s h - | overflow b h no
  nullval r h 0.0 | average b h no | copyprime b h yes | copyall b h no | clobber b h no
lcmath
  infile s a | bgfile s a | outfile s a | multi r a 1. | multb r a 1. | addsubr b a no | addi r h 0.
  addb r h 0. | docor b h yes | emin i h 0 | emax i h 0 | err_mode i h 1 1:2 | tchat i h 10 | lchat i h 0
coordpnt
  input s a | outfile s a NONE | telescop s a | instrume s a | ra r a -999 | dec r a -999 | roll r a 0
  ranom r h -999 | decnom r h -999 | rollnom r h 0 | teldeffile s h CALDB | startsys s h LOWEST
  stopsys s h HIGHEST | multisegpar s h NULL | rawtodetseg i h -1
  pixeltest s h CENTER CENTER|PARTIAL|TOTAL | winoffsetx i h 0 | winoffsety i h 0 | outx r h 0 | outy r h 0
  buffer i h -1 | clobber b h no | chatter i h 1 0:3 | logfile s h !DEFAULT
xtdrmf
  infile s a | outfile s a | rmfparam s h CALDB | eminin r h 200 | dein s h "2,24" | nchanin s h "5900,500"
  eminout r h 0 | deout r h 6 | nchanout i h 4096 1: | rmfthresh r h 1e-6 0: | clobber b h no
  chatter i h 1 0:3
xaarfgen
  xrtevtfile s a | source_ra r a 0 0:360 | source_dec r a 0 -90:90 | telescop s a XRISM
  instrume s a XTEND RESOLVE|XTEND | dattfile s a NONE | filtoffsetfile s a NONE | emapfile s a
  qefile s a CALDB | contamifile s a CALDB | gatevalvefile s a CALDB | sampling i a 4 | rmffile s a
  erange s a "0.5 17.0 0 0" | onaxisffile s a CALDB | onaxiscfile s a CALDB | outfile s a
  regmode s a DET DET|RADEC | regionfile s a | mirrorfile s a CALDB | obstructfile s a CALDB
  frontreffile s a CALDB | backreffile s a CALDB | pcolreffile s a CALDB | scatterfile s a CALDB
  numphoton i a 20000 1: | sourcetype s a POINT POINT|FLATCIRCLE|BETAMODEL|IMAGE | imgfile s a NONE
  nompntpars s h | teldeffile s h CALDB | obffile s h CALDB | fwfile s h CALDB | abund s h 1.0
  cols s h 0.0 | covfac s h 1.0 | polydeg s h DEFAULT | minphoton i h 100 1: | betapars s h "0.50 0.60 5.0"
  flatradius r h 10.0 | auxtransfile s h NONE | rmfthresh r h 1e-10 | seed i h 29075 | cleanup b h no
  clobber b h no | chatter i h 1 0:3
xtdpipeline
  indir s a | outdir s a | steminputs s a | stemoutputs s a DEFAULT | entry_stage i a 1 1:3
  exit_stage i h 2 1:3 | attitude s a | extended_housekeeping s h ALL | makefilter s h ALL | orbit s a ALL
  obsgti s a ALL | housekeeping s a ALL | regionfile s h NONE | calc_hotpix b h no | calc_modegti b h yes
  ra r h -999.99999 | dec r h -999.99999 | roll r h 0 | seed i h 0 0: | cleanup b h yes | clobber b h no
  chatter i h 2 0:3 | logfile s h !DEFAULT | numerrs i h 0
searchflickpix
  infile s a | outfile s a | timecol s h TIME | chipcol s h CCD_ID | xcol s h ACTX | ycol s h ACTY
  chancol s h PI | gradecol s h GRADE | grade s h ALL | n_division i h 1 1: | cleanimg b h no
  cellsize i a 7 1: | impfac r a 320 | logprob1 r a -5.6 | logprob2 r a -5.6 | iterate b h yes
  flagedge b h no | bthresh i a 3 0: | duration b h no | sigma r h 3 | firstchip i h TLMIN
  lastchip i h TLMAX | xmin i h TLMIN | xmax i h TLMAX | ymin i h TLMIN | ymax i h TLMAX | chanmin i h TLMIN
  chanmax i h TLMAX | clobber b h no | chatter i h 1 0:3 | buffer i h -1 | logfile s h !DEFAULT
coordevt
  infile s a | outfile s a | teldeffile s a CALDB | attfile s a NONE | dattfile s h NONE | orbfile s a NONE
  startsys s h LOWEST | stopsys s h HIGHEST | infileext s h EVENTS | seed i h 0 0: | clobber b h no
  chatter i h 1 0:3 | buffer i h -1 | logfile s h !DEFAULT
xtdpixclip
  evtinfile s a | outroot s a | pmode s a histo histo|apply | clobber b h no | chatter i h 1 0:5
"""

CLOBBERED = {
    "extractor": ("imgfile", "phafile", "fitsbinlc"), "xaexpmap": ("outfile",), "ftgrouppha": ("outfile",),
    "fimgbin": ("outfile",), "coordpnt": ("outfile",), "xtdrmf": ("outfile",), "xaarfgen": ("outfile",),
    "xtdpipeline": ("outdir",), "searchflickpix": ("outfile",), "coordevt": ("outfile",),
}  # fmt: skip
"""Outputs that are not written over without `clobber`."""
READ = {
    "extractor": ("regionfile", "timefile"), "xaexpmap": ("ehkfile", "gtifile", "badimgfile", "pixgtifile"),
    "ahbackscal": ("infile", "regfile", "expfile"), "ftgrouppha": ("infile", "respfile"),
    "fimgbin": ("infile",), "lcmath": ("infile", "bgfile"), "coordpnt": ("input",), "xtdrmf": ("infile",),
    "xaarfgen": ("emapfile", "rmffile", "regionfile", "imgfile"),
    "xtdpipeline": (
        "indir", "attitude", "extended_housekeeping", "makefilter", "orbit", "obsgti", "housekeeping",
    ),
    "searchflickpix": ("infile",), "coordevt": ("infile",), "xtdpixclip": ("evtinfile",),
}  # fmt: skip
"""Files that must be there, unless they are NONE."""


def _parsed() -> dict[str, dict[str, tuple[str, str, str, str]]]:
    tools: dict[str, dict[str, tuple[str, str, str, str]]] = {}
    for line in filter(None, _TABLE.splitlines()):
        if not line.startswith(" "):
            tools[line] = {}
            continue
        for text in line.strip().split(" | "):
            name, kind, mode, *rest = text.split(" ", 3)
            words = rest[0] if rest else ""
            if words.startswith('"'):
                default, _, legal = words[1:].partition('"')
            else:
                default, _, legal = words.partition(" ")
            list(tools.values())[-1][name] = (kind, mode, default, legal.strip())
    return tools


TOOLS = _parsed()
"""Tool → parameter → type, mode, default, range (`low:high` or words between bars)."""


def lines_of(tool: str) -> list[str]:
    """A tool's parameter file."""
    lines = []
    for name, (kind, mode, default, legal) in TOOLS[tool].items():
        low, _, high = legal.partition(":") if ":" in legal else (legal, "", "")
        # Placeholders for numbers are no numbers to heasoftpy.
        default = "0" if kind in "ir" and default.startswith("TL") else default
        lines.append(f'{name},{kind},{mode},"{default}",{low},{high},"{name} of {tool}"')
    return [*lines, 'mode,s,h,"ql",,,"Mode for automatic parameters"']
