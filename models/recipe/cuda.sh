#!/usr/bin/env bash
# Trains on a machine that has torch and needs no network. Lives in the kit, and runs there. Training goes on in the
# background between the calls, so that each call may be short; with --slice it also stops by itself.
#
#   cuda.sh start SECONDS [options of train.py]   unpacks, starts or goes on, shows the log after WATCH (60) seconds
#   cuda.sh watch SECONDS                         waits that long or until the end, shows the log
#   cuda.sh stop                                  ends it with a checkpoint
#   cuda.sh bring FOLDER                          weights as float16 in pieces of 15 MB, log and summary
#
# Calls of at most nine minutes are a habit worth keeping: `WATCH=540 cuda.sh start 1500`, then `cuda.sh watch 540`.
set -euo pipefail
cd "$(dirname "$0")"
PYTHON=${PYTHON:-python3}
export PYTHONPATH=$PWD:$PWD/lib TOKENIZERS_PARALLELISM=false PYTHONUNBUFFERED=1
export TORCHINDUCTOR_CACHE_DIR=$PWD/inductor

is_running() { [ -f run.pid ] && kill -0 "$(cat run.pid)" 2>/dev/null; }

unpack() {
  [ -f store/done ] && return
  "$PYTHON" - <<'PY'
import glob, lzma, pathlib, shutil, zipfile
pathlib.Path("store").mkdir(exist_ok=True)
for packed in glob.glob("store.*.xz"):
    with lzma.open(packed) as source, open("store/" + packed[:-3], "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
try:
    import tokenizers
except ImportError:
    for wheel in glob.glob("tokenizers-*.whl"):
        zipfile.ZipFile(wheel).extractall("lib")
pathlib.Path("store/done").touch()
PY
}

watch() {
  local end=$((SECONDS + $1))
  while [ $SECONDS -lt $end ] && is_running; do sleep 1; done
  tail -n 12 run.log
  is_running || echo "training is not running (any more)"
}

case ${1:-} in
start)
  if is_running; then echo "it is running already; see cuda.sh watch"; exit 1; fi
  budget=$2
  shift 2
  unpack
  nohup "$PYTHON" -m recipe.train --store store --tokenizer tokenizer.json --out run --budget "$budget" "$@" \
    >>run.log 2>&1 </dev/null &
  echo $! >run.pid
  watch "${WATCH:-60}"
  ;;
watch) watch "$2" ;;
stop)
  if is_running; then kill "$(cat run.pid)"; fi
  watch 60
  ;;
bring)
  mkdir -p "$2"
  rm -f "$2"/weights.pt.*
  "$PYTHON" - "$2" <<'PY'
import io, pathlib, shutil, sys, torch
out, saved = pathlib.Path(sys.argv[1]), torch.load("run/checkpoint.pt", map_location="cpu", weights_only=True)
saved["model"] = {name: values.half() for name, values in saved["model"].items()}
del saved["optimizers"]
buffer = io.BytesIO()
torch.save(saved, buffer)
for number, start in enumerate(range(0, buffer.tell(), 15_000_000)):
    (out / f"weights.pt.{number:02}").write_bytes(buffer.getbuffer()[start : start + 15_000_000])
for name in ("log.jsonl", "summary.json"):
    if pathlib.Path("run", name).exists():
        shutil.copy(pathlib.Path("run", name), out / name)
PY
  ls -l "$2"
  ;;
*) sed -n '2,11s/^# \{0,1\}//p' "$0" ;;
esac
