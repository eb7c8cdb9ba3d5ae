"""children.py PIDS LAST...: starts children that try to outlive it, in the ways of daemons; then does LAST,
or ends where there is a file `go`.

Their process ids are in the file PIDS, a line each, once all of them are there: `ready` is its last line.
"""

import os
import subprocess
import sys
import time

SLEEP = [sys.executable, "-c", "import time; time.sleep(1000)"]
pids = sys.argv[1]
last = "end" if os.path.exists("go") else sys.argv[2]


def note(pid):
    with open(pids, "a") as file:
        file.write(f"{pid}\n")


def double_fork():
    """daemon(3): two forks, a session, no descriptor, another folder."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            note(os.getpid())
            os.chdir("/")
            os.closerange(0, 256)
            os.execv(sys.executable, SLEEP)
        os._exit(0)
    os.wait()


# A session of its own.
note(subprocess.Popen(SLEEP, start_new_session=True).pid)
double_fork()
# No environment, no descriptor, reparented.
bare = f'echo $$ >> {pids}; exec env -i {SLEEP[0]} -c "{SLEEP[2]}" <&- >/dev/null 2>&1'
subprocess.run(["sh", "-c", "env -i setsid -f sh -c \"$0\"", bare], check=True)
# A shell's background.
subprocess.run(["sh", "-c", f'nohup "$@" >/dev/null 2>&1 & echo $! >> {pids}', "sh", *SLEEP], check=True)
# In a group of its own, deaf to what can be ignored.
deaf = "import os, signal, time; os.setpgid(0, 0); [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 3, 15)]; "
note(subprocess.Popen([sys.executable, "-c", deaf + "time.sleep(1000)"]).pid)

deadline = time.monotonic() + 60
while len(open(pids).read().split()) < 5 and time.monotonic() < deadline:
    time.sleep(0.005)
note(os.getpid())
note("ready")
if last == "killed":
    os.kill(os.getpid(), 9)
elif last == "stay":
    time.sleep(1000)
