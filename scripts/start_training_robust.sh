#!/bin/sh
# Checks the computer and the data, then trains until the run is finished, restarting after crashes and hangs.
#
#     scripts/start_training_robust.sh [--skip-preflight] [flags of python -m xr2text_core.train]
#
# Works from any folder. There are no power settings to restore afterwards, not even after kill -9: none is changed.
# The trainer prevents sleep with a lock (wakepy), which the system releases with the process.

repository=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd) || exit 1
python=$repository/.venv/bin/python
[ -x "$python" ] || python=python3

if [ "${1-}" = --skip-preflight ]; then
    shift
else
    "$python" -m xr2text_core.preflight "$@" || exit
fi
exec "$python" -m xr2text_core.train --supervise "$@"
