#!/usr/bin/env bash
# Starts a worker on a host that has HEASoft and the archive as a mounted directory: Fornax, SciServer.
#
#   infra/fornax/start-worker.sh [any option of `prefect worker start`]
#
# It wants PREFECT_API_URL, XTENDFLOW_STORE and XTENDFLOW_LEDGER; what it finds by itself can be set, too.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$(dirname "$here")")
# Where HEASARC's files are on Fornax and on SciServer.
mounts=${MOUNTS:-/archive-data/nasa-heasarc /FTP}

fail() {
  echo "start-worker: $1" >&2
  exit 3
}

for name in PREFECT_API_URL XTENDFLOW_STORE XTENDFLOW_LEDGER; do
  [ -n "${!name:-}" ] || fail "$name is not set; infra/fornax/README.md says what it is for"
done

for mount in $mounts; do
  if [ -z "${XTENDFLOW_ARCHIVE:-}" ] && [ -d "$mount/xrism/data/obs" ]; then
    export XTENDFLOW_ARCHIVE=$mount/xrism/data/obs
  fi
  # Activating HEASoft may have set CALDB already.
  if [ -z "${CALDB:-}" ] && [ -f "$mount/caldb/data/xrism/xtend/caldb.indx" ]; then
    export CALDB=$mount/caldb
    export CALDBCONFIG=${CALDBCONFIG:-$CALDB/software/tools/caldb.config}
    export CALDBALIAS=${CALDBALIAS:-$CALDB/software/tools/alias_config.fits}
  fi
done
[ -n "${XTENDFLOW_ARCHIVE:-}" ] || fail "no archive is mounted at $mounts; set XTENDFLOW_ARCHIVE"
[ -n "${HEADAS:-}" ] || fail "HEADAS is not set; activate the environment with HEASoft first"
[ -n "${CALDB:-}" ] || fail "CALDB is not set, and there is none beside the archive"
if [ -z "${XTENDFLOW_DATA:-}" ]; then
  [ -d "$HOME/scratch" ] || fail "there is no $HOME/scratch; set XTENDFLOW_DATA to a directory on a large disk"
  export XTENDFLOW_DATA=$HOME/scratch/xtendflow
fi
[ -x "$root/.venv/bin/xtendflow" ] || fail "nothing is installed in $root/.venv; see infra/fornax/README.md"

export PATH=$root/.venv/bin:$PATH
export DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false PREFECT_CLIENT_MAX_RETRIES=7
echo "archive $XTENDFLOW_ARCHIVE, CALDB $CALDB, working in $XTENDFLOW_DATA"
# Prefect takes an option only once.
case " $* " in
  *" --limit"* | *" -l "*) ;;
  *) set -- --limit 2 "$@" ;;
esac
exec "$root/infra/docker/worker.sh" --pool xtendflow --work-queue heasoft --work-queue default "$@"
