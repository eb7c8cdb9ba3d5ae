"""Runs of a program as jobs of Slurm through submitit: how many, which program. Prints the seconds that it took."""

import json
import subprocess
import sys
import tempfile
import time

import submitit


def one(command):
    subprocess.run(command, check=True)


def main():
    runs, command = int(sys.argv[1]), sys.argv[2:]
    with tempfile.TemporaryDirectory(dir=".") as folder:
        begun = time.perf_counter()
        executor = submitit.SlurmExecutor(folder=folder)
        executor.update_parameters(time=60, cpus_per_task=1, array_parallelism=runs)
        jobs = executor.map_array(one, [command] * runs)
        for job in jobs:
            job.result()
        print(json.dumps({"seconds": time.perf_counter() - begun}))


if __name__ == "__main__":
    main()
