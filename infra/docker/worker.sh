#!/usr/bin/env bash
# Starts a worker of this host: tells the ledger which engines it has, then polls the work queues.
#
#   worker.sh --pool xtendflow --work-queue default [any option of `prefect worker start`]
#
# Health is told at http://…:8080/health. SIGTERM ends it at any time; the worker gets it itself.
set -euo pipefail

# In a clone the commands are beside this, should no environment be active that has them.
PATH=$PATH:$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/.venv/bin
export PATH

if [ -n "${HEADAS:-}" ] && ! command -v fversion >/dev/null; then
  # HEASoft's own script takes unset variables for empty ones.
  set +eu
  # shellcheck disable=SC1091
  . "$HEADAS/headas-init.sh"
  set -eu
fi

# A shell that is the first process of a container does not die of a signal, nor do those it waits for.
xtendflow ledger register &
registering=$!
trap 'kill "$registering" 2>/dev/null; exit 143' TERM INT
wait "$registering"
trap - TERM INT

# Prefect's ten seconds between two looks into the queues are longer than many an observation takes.
export PREFECT_WORKER_QUERY_SECONDS=${PREFECT_WORKER_QUERY_SECONDS:-1}
exec prefect worker start --type process --with-healthcheck "$@"
