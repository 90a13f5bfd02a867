"""Models that XSPEC has and this set has not, so that a message can tell them from a slip of the pen."""

from typing import Final

XSPEC_ONLY: Final = frozenset(
    {
        # plasmas
        "apec", "bapec", "vapec", "vvapec", "bvapec", "vvtapec", "mekal", "vmekal", "raymond", "cemekl",
        "mkcflow", "equil", "vequil", "nei", "vnei", "gnei", "vgnei", "pshock", "vpshock", "sedov",
        # absorption
        "tbabs", "ztbabs", "tbvarabs", "tbfeo", "tbgas", "tbgrain", "tbpcf", "tbrel", "wabs", "zwabs",
        "zphabs", "vphabs", "zvphabs", "wndabs", "pcfabs", "zpcfabs", "partcov", "absori", "zxipcf", "ismabs",
        "ismdust", "cabs", "gabs", "edge", "zedge", "smedge", "plabs", "expabs", "redden", "zdust",
        # continua
        "cutoffpl", "zcutoffpl", "bknpower", "bkn2pow", "zpowerlw", "pegpwrlw", "logpar", "bbodyrad",
        "zbbody", "diskbb", "diskpbb", "diskpn", "ezdiskbb", "kerrbb", "zbremss", "vbremss", "compbb",
        "compst", "comptt", "nthcomp", "simpl", "eqpair", "pexrav", "pexriv", "pexmon", "srcut", "sresc",
        "nsa", "nsatmos", "optxagnf", "agnsed", "bmc", "grad",
        # lines
        "agauss", "zgauss", "zagauss", "lorentz", "zlorentz", "voigt", "diskline", "laor", "laor2", "relxill",
        "xillver", "borus",
        # what changes others
        "constant", "cflux", "cpflux", "clumin", "highecut", "zhighect", "expfac", "gsmooth", "lsmooth",
        "ireflect", "reflect", "kdblur", "rdblur", "atable", "mtable", "etable",
    }
)  # fmt: skip
"""In lower case."""
