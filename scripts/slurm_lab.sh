#!/usr/bin/env bash
# A Slurm cluster of two nodes on this machine, as plain processes of whoever calls: for the tests, and to try Gridboard's
# Slurm launcher without a cluster. No root, no service, no database; it hears on 127.0.0.1 alone.
#
#   scripts/slurm_lab.sh up [FOLDER]     starts it; `. FOLDER/env` lets sinfo, sbatch and gridboard talk to it
#   scripts/slurm_lab.sh down [FOLDER]   ends it, and removes FOLDER
#   scripts/slurm_lab.sh start|stop|kill DAEMON [FOLDER]   one daemon of it: slurmctld, n1, n2
#
# FOLDER is .slurm-lab beside this script's folder unless it is named. Each node has 4 cores, 4 GB and two GPUs that are
# none (/dev/null and /dev/zero): jobs get CUDA_VISIBLE_DEVICES of their own, and nothing can compute there.
# SLURM_LAB_CONF: lines for slurm.conf, such as MaxArraySize=5; the last word on a key wins.
# Needs Debian's packages slurmctld, slurmd, slurm-client and munge (apt-get install --no-install-recommends).
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"

needed=(slurmctld slurmd munged sbatch squeue scancel scontrol sinfo)
here="$(cd "$(dirname "$0")/.." && pwd)"
verb="${1:-}"

say() { echo "slurm_lab: $*" >&2; }

check() {
  for program in "${needed[@]}"; do
    command -v "$program" >/dev/null \
      || { say "$program is missing (apt-get install --no-install-recommends slurmctld slurmd slurm-client munge)"; exit 3; }
  done
}

configure() {
  # Three ports in a row that nobody hears on.
  local port
  port="$(python3 - <<'PY'
import random, socket
while True:
    first = random.randrange(20000, 55000)
    try:
        for port in range(first, first + 3):
            with socket.socket() as s:
                s.bind(("127.0.0.1", port))
    except OSError:
        continue
    print(first)
    break
PY
)"
  local host user
  host="$(hostname -s)" user="$(id -un)"
  mkdir -p "$lab"/{etc,run,log,state,spool/n1,spool/n2}
  chmod 755 "$lab" "$lab/run"
  ( umask 077; head -c 128 /dev/urandom >"$lab/etc/munge.key" )
  defaults="ClusterName=lab
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$lab/run/munge.sock,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation=$lab/state
SlurmdSpoolDir=$lab/spool/%n
SlurmctldPidFile=$lab/run/slurmctld.pid
SlurmdPidFile=$lab/run/%n.pid
SlurmctldLogFile=$lab/log/slurmctld.log
SlurmdLogFile=$lab/log/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
SlurmdParameters=config_overrides
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=10
KillWait=3
MinJobAge=300
MaxArraySize=1001
JobRequeue=1"
  {
    # The last word on a key: the caller's.
    printf '%s\n%s\n' "$defaults" "${SLURM_LAB_CONF:-}" | awk -F= 'NF > 1 { line[$1] = $0; if (!($1 in at)) { at[$1] = ++n; key[n] = $1 } }
      END { for (i = 1; i <= n; i++) print line[key[i]] }'
    local node
    for node in 1 2; do
      echo "NodeName=n$node NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + node)) CPUs=4 Boards=1 SocketsPerBoard=1" \
        "CoresPerSocket=4 ThreadsPerCore=1 RealMemory=4000 Gres=gpu:2 State=UNKNOWN"
    done
    echo "PartitionName=sweep Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP PriorityTier=1 DefMemPerCPU=100"
    echo "PartitionName=urgent Nodes=n[1-2] MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF DefMemPerCPU=100"
  } >"$lab/etc/slurm.conf"
  printf '%s\n' AutoDetect=off 'NodeName=n[1-2] Name=gpu File=/dev/null' 'NodeName=n[1-2] Name=gpu File=/dev/zero' \
    >"$lab/etc/gres.conf"
  # Debian's programs look for plugins of their own path; the daemons are in /usr/sbin, which users may not have on PATH.
  cat >"$lab/env" <<ENV
export SLURM_CONF="$lab/etc/slurm.conf"
export PATH="\$PATH:/usr/sbin"
ENV
}

alive() { [ -s "$lab/run/$1.pid" ] && kill -0 "$(cat "$lab/run/$1.pid")" 2>/dev/null; }

start() {
  alive "$1" && return
  rm -f "$lab/run/$1.pid"
  case "$1" in
    munged) munged --key-file="$lab/etc/munge.key" --socket="$lab/run/munge.sock" --pid-file="$lab/run/munged.pid" \
      --log-file="$lab/log/munged.log" --seed-file="$lab/run/munged.seed" --force >/dev/null 2>&1 ;;
    # State of an earlier life is kept where there is some.
    slurmctld) slurmctld >/dev/null ;;
    n1 | n2) slurmd -N "$1" >/dev/null ;;
    *) say "no daemon $1"; exit 2 ;;
  esac
}

stop() {
  alive "$2" || return 0
  local pid
  pid="$(cat "$lab/run/$2.pid")"
  kill "-$1" "$pid" 2>/dev/null || return 0
  for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.1; done
  kill -KILL "$pid" 2>/dev/null || true
}

case "$verb" in
  up | down) lab="${2:-$here/.slurm-lab}" ;;
  start | stop | kill) lab="${3:-$here/.slurm-lab}" ;;
  *) sed -n '2,/^set/p' "$0" | sed '$d; s/^# \{0,1\}//' >&2; exit 2 ;;
esac
case "$lab" in /*) ;; *) lab="$PWD/$lab" ;; esac
export SLURM_CONF="$lab/etc/slurm.conf"

case "$verb" in
  up)
    check
    [ -e "$lab/env" ] || configure
    start munged
    start slurmctld
    start n1
    start n2
    for _ in $(seq 300); do
      [ "$(sinfo -h -N -p sweep -o %t 2>/dev/null | grep -cx -e idle -e mix -e alloc)" = 2 ] && break
      sleep 0.1
    done
    [ "$(sinfo -h -N -p sweep -o %t 2>/dev/null | grep -cx -e idle -e mix -e alloc)" = 2 ] \
      || { say "the nodes do not come up; see $lab/log"; sinfo >&2 || true; exit 1; }
    say "up: . $lab/env"
    ;;
  down)
    [ -e "$lab/env" ] || exit 0
    if alive slurmctld; then timeout 10 scancel --full -u "$(id -un)" >/dev/null 2>&1 || true; fi
    for _ in $(seq 50); do
      alive slurmctld && [ -n "$(timeout 5 squeue -h 2>/dev/null)" ] || break
      sleep 0.1
    done
    # Nothing of theirs is needed any more, and in order each takes a second or two.
    for daemon in n1 n2 slurmctld munged; do stop KILL "$daemon"; done
    rm -rf "$lab"
    ;;
  start) start "$2" ;;
  stop) stop TERM "$2" ;;
  kill) stop KILL "$2" ;;
esac
